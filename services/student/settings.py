"""How the student service is set up, by environment variables ``IDIOLECT_STUDENT_...``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.inference.choice import EngineSettings
from services.inference.prompting import StudentTemplate


class StudentSettings(EngineSettings):
    """Settings of the student; `docs/services.md` and `docs/engines.md` say what each is for.

    `store` is the artifact store that says what to serve (`docs/training.md`); None: nobody says.
    `follow_seconds` are between two looks into it.
    """

    model_config = SettingsConfigDict(env_prefix="IDIOLECT_STUDENT_")

    engine: Literal["proxy", "vllm", "transformers", "openai", "scripted"] = "proxy"
    system: str | None = None
    instruction: str | None = None
    store: str | None = None
    follow_seconds: float = Field(5.0, gt=0)

    def template(self) -> StudentTemplate:
        """What stands around every problem."""
        return StudentTemplate(self.system, self.instruction)
