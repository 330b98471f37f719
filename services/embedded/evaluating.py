"""Evaluators: a model in this process, or a student service, asked a set of problems and graded as it answers."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from services.inference.base import LanguageModel, check_sampling
from services.inference.transformers.engine import TransformersEngine, TransformersSettings
from services.oracle.verifier import SandboxedVerifier
from services.student.prompting import StudentTemplate
from shared.domain import (
    EvaluationProblem,
    EvaluationSettings,
    Graded,
    GradedSample,
    ModelInfo,
    Sample,
    Sampling,
)

# Samples under way for each that the engine can run in one step, so that a place is never free for long.
_AHEAD = 3


def seed_of(seed: int, problem: str) -> int:
    """The seed of one problem's samples, from that of the evaluation and the problem's id; below 2^62."""
    digest = hashlib.sha256(f"{seed}/{problem}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) >> 2


class LocalEvaluator:
    """Implements `shared.ports.Evaluator` with the engine on transformers and the sandboxed verifier.

    Each call loads its model and gives it back at its end; the verifier's processes stay for the next one, so
    many models can be evaluated in one process. Use as a context manager, or `close` it.

    Args:
        threads: processor threads of the model. workers: processes of the verifier.
        rows: samples that share one step of the model. device: None takes a GPU where there is one.
    """

    def __init__(
        self, threads: int = 1, *, workers: int = 1, rows: int = 256, device: str | None = None
    ) -> None:
        self._threads, self._rows, self._device = threads, rows, device
        self._verifier = SandboxedVerifier(workers)
        self.info: ModelInfo | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the verifier's processes."""
        self._verifier.close()

    def evaluate(
        self, model: str, problems: Sequence[EvaluationProblem], settings: EvaluationSettings
    ) -> Iterator[Graded]:
        """Problems as they are done; closing the iterator early ends the engine too."""
        with asyncio.Runner() as runner:
            told = TransformersSettings(model, self._device, self._threads, self._rows, 1 << 17)
            engine = runner.run(TransformersEngine.start(told))
            try:
                self.info = engine.info
                stream = self._graded(engine, problems, settings)
                while (graded := runner.run(_next(stream))) is not None:
                    yield graded
            finally:
                runner.run(engine.close())
                del engine
                gc.collect()

    async def _graded(
        self, engine: LanguageModel, problems: Sequence[EvaluationProblem], settings: EvaluationSettings
    ) -> AsyncIterator[Graded]:
        under_way: set[asyncio.Task[Graded]] = set()
        most = max(2, _AHEAD * self._rows // settings.samples)
        left = iter(problems)
        try:
            while True:
                while len(under_way) < most and (problem := next(left, None)) is not None:
                    under_way.add(asyncio.create_task(self._one(engine, problem, settings)))
                if not under_way:
                    return
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in under_way:
                task.cancel()

    async def _one(
        self, engine: LanguageModel, problem: EvaluationProblem, settings: EvaluationSettings
    ) -> Graded:
        prompt = StudentTemplate(settings.system, settings.instruction).prompt(problem.text)
        sampling = Sampling(
            settings.samples, settings.temperature, settings.top_p, settings.max_tokens,
            seed_of(settings.seed, problem.id),
        )  # fmt: skip
        grading = [asyncio.create_task(self._grade(s, problem)) async for s in engine.sample(prompt, sampling)]
        graded = dict([await one for one in grading])
        return Graded(problem, tuple(graded[index] for index in range(settings.samples)))

    async def _grade(self, sample: Sample, problem: EvaluationProblem) -> tuple[int, GradedSample]:
        verdict = await self._verifier.averify(sample.text, problem.gold)
        return sample.index, GradedSample(sample.text, sample.tokens, sample.finished, verdict)


async def _next(stream: AsyncIterator[Graded]) -> Graded | None:
    return await anext(stream, None)
