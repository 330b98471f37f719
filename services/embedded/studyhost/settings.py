"""How the host of studies is set up, by environment variables ``IDIOLECT_STUDYHOST_...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class StudyHostSettings(BaseSettings):
    """Settings of the host.

    Attributes:
        store: address of the artifact store. state: folder below which studies go on after a kill.
        models: students that studies may name, ``NAME=FOLDER`` with commas between.
        processes: workers of a study; None: one a processor. threads: of each of them.
        look_seconds: between two looks into the store. metrics_listen, port: of ``/metrics``.
        ready_file: told the address once the host looks for studies.
    """

    model_config = SettingsConfigDict(
        env_prefix="IDIOLECT_STUDYHOST_", env_ignore_empty=True, populate_by_name=True
    )

    store: str = Field(
        "file:out/store", validation_alias=AliasChoices("IDIOLECT_STUDYHOST_STORE", "IDIOLECT_STORE")
    )
    state: Path = Field(Path("out/state"), validation_alias=AliasChoices("IDIOLECT_STATE"))
    models: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    processes: int | None = Field(None, ge=1)
    threads: int = Field(1, ge=1)
    look_seconds: float = Field(2.0, gt=0)
    metrics_listen: str = Field("127.0.0.1:0", validation_alias=AliasChoices("IDIOLECT_METRICS_LISTEN"))
    port: int | None = Field(None, validation_alias=AliasChoices("IDIOLECT_PORT"))
    ready_file: Path | None = Field(None, validation_alias=AliasChoices("IDIOLECT_READY_FILE"))

    @field_validator("models", mode="before")
    @classmethod
    def _named(cls, told: object) -> object:
        if not isinstance(told, str):
            return told
        pairs = [one.strip().partition("=") for one in told.split(",") if one.strip()]
        if not all(name and folder for name, _, folder in pairs):
            raise ValueError("write NAME=FOLDER, with commas between")
        return {name: folder for name, _, folder in pairs}
