"""Which engine serves, chosen by settings; its packages are imported when it is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from services.inference.base import LanguageModel
from services.inference.scripted import Script
from shared.errors import FieldError

EngineName = Literal["vllm", "transformers", "openai", "scripted"]


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine and what it is told.

    Attributes:
        engine: which. model: folder, GGUF file or name; None takes the engine's default.
        threads: of a CPU. device: ``cpu``, ``cuda``; None takes a GPU where there is one.
        script: for ``scripted``.
    """

    engine: EngineName
    model: str | None = None
    threads: int = 2
    device: str | None = None
    script: Script = field(default_factory=Script)


async def start_engine(choice: EngineChoice) -> LanguageModel:
    """Build the engine, which may take minutes. FieldError for an engine that there is none of."""
    if choice.engine == "scripted":
        from services.inference.scripted import ScriptedModel

        return ScriptedModel(choice.script)
    raise FieldError("engine", f"is {choice.engine!r}", "use vllm, transformers, openai or scripted")
