"""How the trainer service is set up, by environment variables ``IDIOLECT_TRAINER_...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.trainer.handover import Sleeper
from services.trainer.process import FSDP, Launch
from shared.rpc.channel import Target
from shared.rpc.tls import TlsFiles


class TrainerSettings(BaseSettings):
    """Settings of the trainer.

    Attributes:
        store: address of the artifact store.
        bases: models that may be trained, ``NAME=FOLDER`` with commas between.
        processes: one a GPU; several are launched by accelerate with `fsdp`, its configuration.
        device: ``cpu``, or None for a GPU where there is one. threads: of the processor.
        student, oracle: addresses of the services that sleep during a training; None: nobody has to.
        lease_seconds: after which they wake by themselves unless the lease is renewed.
    """

    model_config = SettingsConfigDict(
        env_prefix="IDIOLECT_TRAINER_", env_ignore_empty=True, populate_by_name=True
    )

    store: str = Field(
        "file:out/store", validation_alias=AliasChoices("IDIOLECT_TRAINER_STORE", "IDIOLECT_STORE")
    )
    bases: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    processes: int = Field(1, ge=1)
    fsdp: Path = FSDP
    device: Literal["cpu"] | None = None
    threads: int | None = Field(None, ge=1)
    student: str | None = Field(
        None, validation_alias=AliasChoices("IDIOLECT_TRAINER_STUDENT", "IDIOLECT_STUDENT_ADDRESS")
    )
    oracle: str | None = Field(
        None, validation_alias=AliasChoices("IDIOLECT_TRAINER_ORACLE", "IDIOLECT_ORACLE_ADDRESS")
    )
    lease_seconds: float = Field(60.0, gt=0, le=3600)

    @field_validator("bases", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if not all(name.strip() and folder.strip() for name, _, folder in pairs):
            raise ValueError("give NAME=FOLDER, with commas between several")
        return {name.strip(): folder.strip() for name, _, folder in pairs}

    def launch(self) -> Launch:
        """How a training is started."""
        return Launch(self.processes, self.fsdp, self.device, self.threads)

    def sleepers(self, tls: TlsFiles | None) -> list[Sleeper]:
        """The services that sleep meanwhile."""
        named = (("student", self.student), ("oracle", self.oracle))
        return [
            Sleeper(name, Target(address, tls, name=name)) for name, address in named if address is not None
        ]
