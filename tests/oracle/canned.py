"""A language model that answers by a function: a real implementation of the port without any weights."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from services.inference.base import check_prompt, check_sampling
from shared.domain import EngineFigures, ModelInfo, Prompt, Sample, Sampling, TokenScores
from shared.errors import UnavailableError, UnsupportedError


class CannedModel:
    """Sample `i` of a prompt is ``answer(prompt text, i)``, one token a word; it cannot score.

    Attributes:
        asked: every prompt with its sampling, as they came in.
        written: number of samples that were handed out.
    """

    def __init__(
        self, answer: Callable[[str, int], str], *, name: str = "canned", order: Sequence[int] = ()
    ) -> None:
        """`order` names the indices of the samples in the order in which they finish; default: ascending."""
        self._answer, self._name, self._order = answer, name, order
        self._lost = False
        self._running = 0
        self._peak = 0
        self.asked: list[tuple[Prompt, Sampling]] = []
        self.written = 0

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("canned", self._name, "0" * 64, scores=False, limits="answers by a function")

    @property
    def figures(self) -> EngineFigures:
        return EngineFigures(running=self._running, peak_running=self._peak)

    async def sample(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Sample]:
        check_prompt(prompt)
        check_sampling(sampling)
        self._check()
        self.asked.append((prompt, sampling))
        self._running += sampling.n
        self._peak = max(self._peak, self._running)
        left = sampling.n
        text = "\n".join(message.content for message in prompt.messages)
        try:
            for index in self._order or range(sampling.n):
                written = self._answer(text, index)
                self._running, left = self._running - 1, left - 1
                self.written += 1
                yield Sample(index, written, len(written.split()), len(text.split()), True)
        finally:
            self._running -= left

    async def score(self, prompt: Prompt, text: str) -> TokenScores:
        raise UnsupportedError("a canned model has no log-probs")

    async def load(self, source: str) -> ModelInfo:
        raise UnsupportedError("a canned model has no weights")

    async def adapt(self, source: str | None) -> ModelInfo:
        raise UnsupportedError("a canned model has no weights")

    async def sleep(self) -> None:
        self._lost = True

    async def wake(self) -> None:
        self._lost = False

    async def close(self) -> None:
        self._lost = True

    def _check(self) -> None:
        if self._lost:
            raise UnavailableError("the canned model is asleep or closed")
