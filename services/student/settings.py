"""How the student service is set up, by environment variables ``IDIOLECT_STUDENT_...``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.inference.choice import EngineChoice
from services.inference.scripted import Script
from services.student.prompting import StudentTemplate


class StudentSettings(BaseSettings):
    """Settings of the student; `docs/services.md` says what each is for."""

    model_config = SettingsConfigDict(
        env_prefix="IDIOLECT_STUDENT_", env_nested_delimiter="__", env_ignore_empty=True
    )

    engine: Literal["proxy", "vllm", "transformers", "openai", "scripted"] = "proxy"
    model: str | None = None
    threads: int = Field(2, ge=1)
    device: str | None = None
    system: str | None = None
    instruction: str | None = None
    script: Script = Script()

    def template(self) -> StudentTemplate:
        """What stands around every problem."""
        return StudentTemplate(self.system, self.instruction)

    def choice(self) -> EngineChoice | None:
        """The engine; None where only proxies score."""
        if self.engine == "proxy":
            return None
        return EngineChoice(self.engine, self.model, self.threads, self.device, self.script)
