"""A language model as the oracle that writes the arms of a study, by versioned prompts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from services.oracle.fence import Fence
from services.oracle.promptfiles import PromptFile, read_prompt
from shared.domain import Problem, Prompt, Sampling, Trajectory, Verdict
from shared.study.table_reader import TableReader

if TYPE_CHECKING:
    from services.inference.base import LanguageModel

T = TypeVar("T")

REFINE, SOLVE, ALIGN = "refine.v1", "solve.v1", "align.v1"


@dataclass(frozen=True, slots=True)
class Asking:
    """How the oracle is asked: one sample a text, at `temperature`, of at most `max_tokens` new tokens."""

    temperature: float = 0.7
    max_tokens: int = 2048


class ModelWriter:
    """Implements `shared.ports.ArmWriter` on any language model; may be called from several threads.

    Gold and reference are never shown, so a text is right only where the model solved the problem.
    """

    def __init__(self, model: LanguageModel, loop: Loop, asking: Asking) -> None:
        self._model, self._loop, self._asking = model, loop, asking

    @property
    def name(self) -> str:
        """Engine, model, and the versions of the three prompts."""
        prompts = ", ".join(study_prompt(name).id for name in (REFINE, SOLVE, ALIGN))
        return f"{self._model.info.name} ({prompts})"

    @property
    def simulated(self) -> bool:
        """Whether a script invents what the model says."""
        return self._model.info.engine == "scripted"

    def refined(self, trajectory: Trajectory, verdict: Verdict, seed: int) -> str | None:
        """The solution corrected with minimal intervention, style left free."""
        return self._edited(REFINE, trajectory, seed)

    def synthesized(self, problem: Problem, seed: int) -> str | None:
        """The model's own solution."""
        fence = Fence.around(problem.text)
        filled = study_prompt(SOLVE).filled(key=fence.key, problem=fence.quote("problem", problem.text))
        return self._written(filled, seed)

    def aligned(self, trajectory: Trajectory, verdict: Verdict, seed: int) -> str | None:
        """Only what is wrong corrected; syntax, spacing, lists, step size and notation kept."""
        return self._edited(ALIGN, trajectory, seed)

    def _edited(self, prompt: str, trajectory: Trajectory, seed: int) -> str | None:
        problem, text = trajectory.problem.text, trajectory.text
        fence = Fence.around(problem, text)
        filled = study_prompt(prompt).filled(
            key=fence.key, problem=fence.quote("problem", problem), solution=fence.quote("solution", text)
        )
        return self._written(filled, seed)

    def _written(self, prompt: Prompt, seed: int) -> str | None:
        asked = Sampling(temperature=self._asking.temperature, max_tokens=self._asking.max_tokens, seed=seed)
        return self._loop.wait(_text(self._model, prompt, asked))


def study_prompt(name: str) -> PromptFile:
    """One of the prompts ``refine.v1``, ``solve.v1`` and ``align.v1``."""
    place = files("services.embedded.study") / "prompts" / f"{name}.md"
    return read_prompt(name, place.read_bytes())


class Loop:
    """An event loop in a thread of its own, for callers that wait."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="oracle", daemon=True)
        self._thread.start()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs in the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def open_model_writer(kind: str, table: TableReader) -> Iterator[ModelWriter]:
    """An oracle of a config: a model on an engine in this process, or behind an endpoint.

    The key of an endpoint is read from the variable that `api_key_env` names, never from the config.
    """
    from services.inference.choice import start_engine

    settings, asking = _settings(kind, table), _asking(table)
    table.finish()
    loop = Loop()
    try:
        model = loop.wait(start_engine(settings))
        try:
            yield ModelWriter(model, loop, asking)
        finally:
            loop.wait(model.close())
    finally:
        loop.close()


def _asking(table: TableReader) -> Asking:
    plain = Asking()
    return Asking(
        table.number("temperature", plain.temperature), table.whole("max_tokens", plain.max_tokens, least=1)
    )


def _settings(kind: str, table: TableReader) -> Any:
    from services.inference.choice import EngineSettings

    model = table.text("model")
    if kind != "openai":
        return EngineSettings(engine=kind, model=model)
    from services.inference.openai.settings import OpenAISettings

    told = OpenAISettings(
        base_url=table.text("base_url"),
        model=model,
        api_key_env=table.optional_text("api_key_env"),
        concurrency=table.whole("concurrency", 16, least=1),
        token_budget=table.optional_whole("token_budget", least=1),
    )
    return EngineSettings(engine=kind, model=model, openai=told)


async def _text(model: LanguageModel, prompt: Prompt, sampling: Sampling) -> str | None:
    """The text of the one sample; None where a limit cut it off, since half a solution teaches stopping."""
    async for sample in model.sample(prompt, sampling):
        return _unwrapped(sample.text) if sample.finished else None
    return None


def _unwrapped(text: str) -> str | None:
    """The text without thoughts that end with ``</think>``."""
    return text.rpartition("</think>")[2].strip() or None
