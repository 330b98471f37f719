"""How the oracle service is set up, by environment variables ``IDIOLECT_ORACLE_...``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.inference.choice import EngineChoice
from services.inference.scripted import Script
from services.oracle.core import OracleSettings


class OracleServiceSettings(BaseSettings):
    """Settings of the oracle; `docs/services.md` says what each is for."""

    model_config = SettingsConfigDict(
        env_prefix="IDIOLECT_ORACLE_", env_nested_delimiter="__", env_ignore_empty=True
    )

    engine: Literal["rules", "vllm", "transformers", "openai", "scripted"] = "rules"
    model: str | None = None
    threads: int = Field(2, ge=1)
    device: str | None = None
    script: Script = Field(default_factory=Script)
    reward_model: str | None = None
    verifiers: int = Field(1, ge=1)
    thinking: OracleSettings = Field(default_factory=OracleSettings)

    def choice(self) -> EngineChoice | None:
        """The engine; None where rules alone judge."""
        if self.engine == "rules":
            return None
        return EngineChoice(self.engine, self.model, self.threads, self.device, self.script)
