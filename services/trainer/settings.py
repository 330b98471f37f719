"""How the trainer service is set up, by environment variables ``IDIOLECT_TRAINER_...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.trainer.handover import Sleeper
from services.trainer.process import CPU, FSDP, Launch
from services.trainer.together import Patience
from shared.errors import FieldError
from shared.rpc.channel import Target
from shared.rpc.tls import TlsFiles


class TrainerSettings(BaseSettings):
    """Settings of the trainer.

    Attributes:
        store: address of the artifact store.
        bases: models that may be trained, ``NAME=FOLDER`` with commas between.
        processes: one a GPU of this node; several are launched by accelerate with `fsdp`, its configuration.
        nodes: that train together. rendezvous: HOST:PORT at which the others reach this one.
        join_seconds: for all nodes to take part. silence_seconds: until one that isn't heard of is given up.
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
    nodes: int = Field(1, ge=1)
    rendezvous: str = Field("", pattern=r"^$|^.+:[0-9]{1,5}$")
    join_seconds: float = Field(600.0, gt=0, allow_inf_nan=False)
    silence_seconds: float = Field(120.0, ge=5, allow_inf_nan=False)
    fsdp: Path | None = None
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
        return self._launch(rank=0)

    def patience(self) -> Patience:
        """For how long nodes wait for each other."""
        return Patience(self.join_seconds, self.silence_seconds)

    def _launch(self, rank: int) -> Launch:
        if self.nodes > 1 and not self.rendezvous:
            cure = "give HOST:PORT at which the other nodes reach the trainer service's node"
            raise FieldError("IDIOLECT_TRAINER_RENDEZVOUS", "is not set, and there are several nodes", cure)
        config = self.fsdp or (CPU if self.device == "cpu" else FSDP)
        return Launch(self.processes, config, self.device, self.threads, self.nodes, rank, self.rendezvous)

    def sleepers(self, tls: TlsFiles | None) -> list[Sleeper]:
        """The services that sleep meanwhile."""
        named = (("student", self.student), ("oracle", self.oracle))
        return [
            Sleeper(name, Target(address, tls, name=name)) for name, address in named if address is not None
        ]


class NodeSettings(TrainerSettings):
    """Settings of a node but the first: those of the trainer, and `rank`, from 1 to the nodes less one."""

    rank: int = Field(ge=1)

    def launch(self) -> Launch:
        """How this node's part of a training is started."""
        if self.rank >= self.nodes:
            cure = (
                "give each node but the trainer service's its own, from 1 to IDIOLECT_TRAINER_NODES less one"
            )
            raise FieldError("IDIOLECT_TRAINER_RANK", f"is {self.rank} of {self.nodes} nodes", cure)
        return self._launch(self.rank)
