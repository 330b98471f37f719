"""A language model on transformers, behind the port; the model works in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from services.inference.base import check_prompt, check_sampling
from services.inference.checkpoint import THREADS, load_checkpoint
from shared.domain import EngineFigures, ModelInfo, Prompt, Sample, Sampling, TokenScores
from shared.errors import UnavailableError

if TYPE_CHECKING:
    from services.inference.transformers.desk import Desk
    from services.inference.transformers.worker import Worker

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TransformersSettings:
    """Which model, and how much of it may run together.

    Attributes:
        source: folder, GGUF file or hub name; None takes SmolLM2-135M-Instruct.
        device: where it runs; None takes a GPU where there is one. threads: processor threads of the model.
        rows: most sequences in one step. tokens: most tokens of keys and values of what runs, which also
            limits the context. cached: prompt tokens that are remembered for later requests.
    """

    source: str | None = None
    device: str | None = None
    threads: int = THREADS
    rows: int = 64
    tokens: int = 32_768
    cached: int = 4096


class TransformersEngine:
    """Implements `services.inference.base.LanguageModel` in float32.

    Calls that are under way together share steps of generation and passes of scoring; what prompts share is
    read once. Samples are seeded, and equal in any company but for a draw that falls within rounding of the
    border between two tokens. JSON schemas are not enforced.
    """

    def __init__(self, worker: Worker) -> None:
        """Use `start`."""
        self._worker = worker

    @classmethod
    async def start(cls, settings: TransformersSettings | None = None) -> TransformersEngine:
        """Load the model. Raises UnavailableError with the way out where that can't be done."""
        from services.inference.transformers.desk import Desk
        from services.inference.transformers.sampler import Room

        asked = settings or TransformersSettings()
        room = Room(asked.rows, asked.tokens, asked.cached)

        def make() -> Desk:
            checkpoint = load_checkpoint(asked.source, device=asked.device, threads=asked.threads)
            return Desk(checkpoint, room, asked.threads)

        return await cls.over(make)

    @classmethod
    async def over(cls, make: Callable[[], Desk]) -> TransformersEngine:
        """An engine over a desk that is made in the thread of its own."""
        from services.inference.transformers.worker import Worker

        ready = _Answers[None]()
        worker = Worker(make, lambda: ready.give(None), ready.fail)
        await ready.next()
        return cls(worker)

    @property
    def info(self) -> ModelInfo:
        """The model that is being served now."""
        return self._worker.info

    @property
    def figures(self) -> EngineFigures:
        """As of the last step. Cache figures count prompt tokens, of samples and of scored texts."""
        return self._worker.figures

    async def sample(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Sample]:
        """`n` samples as they finish; closing the iterator takes its rows out before the next step."""
        from services.inference.transformers.orders import SampleOrder

        check_prompt(prompt)
        check_sampling(sampling)
        answers = _Answers[Sample]()
        order = SampleOrder(prompt, sampling, answers.give, answers.fail)
        self._worker.submit(order)
        try:
            for _ in range(sampling.n):
                yield await answers.next()
        finally:
            order.cancel()

    async def score(self, prompt: Prompt, text: str) -> TokenScores:
        """Surprisal and rank of every token of `text` after the prompt and its prefix."""
        from services.inference.transformers.orders import ScoreOrder

        check_prompt(prompt)
        answer = _Answers[TokenScores]()
        order = ScoreOrder(prompt, text, answer.give, answer.fail)
        self._worker.submit(order)
        try:
            return await answer.next()
        finally:
            order.cancelled = True

    async def load(self, source: str) -> ModelInfo:
        """Serve another model; needs room for both for a moment. Calls that come later wait for it."""
        return await self._command(lambda desk: desk.load(source))

    async def adapt(self, source: str | None) -> ModelInfo:
        """Serve with the LoRA adapter in that folder (safetensors only); None serves the bare model."""
        return await self._command(lambda desk: desk.adapt(source))

    async def sleep(self) -> None:
        """Move the weights to the processor's memory, and forget all keys and values."""
        await self._command(lambda desk: desk.sleep())

    async def wake(self) -> None:
        """Move the weights back."""
        await self._command(lambda desk: desk.wake())

    async def close(self) -> None:
        """End the thread; running calls raise UnavailableError. Closing twice is fine."""
        await asyncio.to_thread(self._worker.stop)

    async def _command(self, run: Callable[[Desk], T]) -> T:
        from services.inference.transformers.orders import Command

        answer = _Answers[Any]()
        self._worker.submit(Command(run, answer.give, answer.fail))
        result: T = await answer.next()
        return result


class _Answers(Generic[T]):
    """Answers on their way from the model's thread to the event loop that asked."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[T | Exception] = asyncio.Queue()

    def give(self, answer: T) -> None:
        """Called in the model's thread."""
        self._post(answer)

    def fail(self, error: Exception) -> None:
        """Called in the model's thread."""
        self._post(error)

    async def next(self) -> T:
        """The next answer; raises what failed, as an error of its own for every caller."""
        answer = await self._queue.get()
        if isinstance(answer, UnavailableError):
            raise UnavailableError(*answer.args) from answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _post(self, answer: T | Exception) -> None:
        # Nobody listens any more once the loop is closed, and the model's thread must outlive that.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._queue.put_nowait, answer)
