"""How the oracle service is set up, by environment variables ``IDIOLECT_ORACLE_...``."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.inference.choice import EngineSettings
from services.oracle.core import OracleSettings


class OracleServiceSettings(EngineSettings):
    """Settings of the oracle; `docs/services.md` and `docs/engines.md` say what each is for."""

    model_config = SettingsConfigDict(env_prefix="IDIOLECT_ORACLE_")

    engine: Literal["rules", "vllm", "transformers", "openai", "scripted"] = "rules"
    verifiers: int = Field(1, ge=1)
    weights: dict[str, float] = Field(default_factory=dict)
    thinking: OracleSettings = Field(default_factory=OracleSettings)

    def oracle(self) -> OracleSettings:
        """How the oracle thinks, with the weights of its locators."""
        return replace(self.thinking, weights=self.weights or self.thinking.weights)
