"""The port of every language model, and the checks of what comes in."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, runtime_checkable

from shared.domain.model import EngineFigures, ModelInfo, Prompt, Sample, Sampling
from shared.domain.style import TokenScores
from shared.errors import FieldError

ROLES = frozenset({"system", "user", "assistant"})


@runtime_checkable
class LanguageModel(Protocol):
    """A model that samples and scores; many calls may be under way at once and share its batches.

    What can't be served is a FieldError before anything runs. An engine that is lost raises
    UnavailableError from every call, at once.
    """

    @property
    def info(self) -> ModelInfo:
        """The model that is being served now."""
        ...

    @property
    def figures(self) -> EngineFigures:
        """What is under way, and what was cached."""
        ...

    def sample(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Sample]:
        """`n` samples as they finish. Closing the iterator, or cancelling its task, stops the generation."""
        ...

    async def score(self, prompt: Prompt, text: str) -> TokenScores:
        """Surprisal and rank of every token of `text` after the prompt, the text encoded alone.

        The end of the sequence is not scored. Raises UnavailableError where the engine has no log-probs.
        """
        ...

    async def load(self, source: str) -> ModelInfo:
        """Serve another model (a folder, GGUF file or hub name) once the running calls are done."""
        ...

    async def adapt(self, source: str | None) -> ModelInfo:
        """Serve with the LoRA adapter in that folder; None serves the bare model again."""
        ...

    async def sleep(self) -> None:
        """Give the accelerator's memory back; calls in between raise UnavailableError."""
        ...

    async def wake(self) -> None:
        """Be ready again after `sleep`."""
        ...

    async def close(self) -> None:
        """End everything that was started; running calls raise UnavailableError."""
        ...


@runtime_checkable
class RewardModel(Protocol):
    """A model with a classification head that grades solutions."""

    @property
    def info(self) -> ModelInfo:
        """The model that grades."""
        ...

    @property
    def grades_steps(self) -> bool:
        """Whether it can do `step_rewards`."""
        ...

    @property
    def grades_solutions(self) -> bool:
        """Whether it can do `reward`."""
        ...

    async def step_rewards(self, problem: str, steps: Sequence[str]) -> list[float]:
        """One reward a step, 0..1: how likely the solution is right up to there (process reward model).

        Raises UnsupportedError where it grades solutions only.
        """
        ...

    async def reward(self, problem: str, text: str) -> float:
        """Reward of a whole solution, unbounded; higher is better (outcome reward model).

        Raises UnsupportedError where it grades steps only.
        """
        ...

    async def sleep(self) -> None:
        """Give the accelerator's memory back; nobody asks in between."""
        ...

    async def wake(self) -> None:
        """Be ready again after `sleep`."""
        ...

    async def close(self) -> None:
        """End everything that was started."""
        ...


def check_prompt(prompt: Prompt) -> None:
    """Raises FieldError for a prompt that no engine can serve."""
    if not prompt.messages or not any(message.content.strip() for message in prompt.messages):
        raise FieldError("messages", "is empty", "give the text of the problem")
    for place, message in enumerate(prompt.messages):
        if message.role not in ROLES:
            cure = f"use one of {', '.join(sorted(ROLES))}"
            raise FieldError(f"messages[{place}].role", f"is {message.role!r}", cure)


def check_sampling(sampling: Sampling) -> None:
    """Raises FieldError for sampling that no engine can do."""
    if not (sampling.temperature >= 0 and math.isfinite(sampling.temperature)):
        raise FieldError("temperature", f"is {sampling.temperature}", "give a number that is 0 or more")
    if not 0 < sampling.top_p <= 1:
        raise FieldError("top_p", f"is {sampling.top_p}", "give a number above 0 and up to 1")
    if sampling.n < 1:
        raise FieldError("n", f"is {sampling.n}", "ask for at least one sample")
    if sampling.max_tokens < 1:
        raise FieldError("max_tokens", f"is {sampling.max_tokens}", "allow at least one new token")
    if not 0 <= sampling.seed < 1 << 63:
        raise FieldError("seed", f"is {sampling.seed}", "give a whole number from 0 to 2^63 - 1")
    if "" in sampling.stop:
        raise FieldError("stop", "holds an empty string", "leave it out")
