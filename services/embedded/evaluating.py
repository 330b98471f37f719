"""Evaluators: a model in this process, or a student service, asked a set of problems and graded."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from services.inference.prompting import StudentTemplate
from services.oracle.verifier import SandboxedVerifier
from shared.domain import (
    EvaluationProblem,
    EvaluationSettings,
    Graded,
    GradedSample,
    ModelInfo,
    Sample,
    Sampling,
)
from shared.errors import FieldError
from shared.evaluation.asking import ask, check_settings, seed_of
from shared.ports import Generation, GenerationRequest, Verifier

if TYPE_CHECKING:
    from services.inference.base import LanguageModel

# Samples under way for each that the engine can run in one step, so that no place is free for long.
_AHEAD = 3


class LocalEvaluator:
    """Implements `shared.ports.Evaluator` with the engine on transformers and the sandboxed verifier.

    Each call loads its model and gives it back at its end; the verifier's processes stay for the next one, so
    many models can be evaluated one after another. Not to be called inside a running event loop. A sample
    depends on (seed, problem id, index) only, but for draws that fall within rounding of a border between two
    tokens. Use as a context manager, or `close` it.

    Args:
        threads: processor threads of the model. workers: processes of the verifier.
        rows: samples that share one step of the model. tokens: most tokens of keys and values that run
            together, of which every sample reserves its prompt and `max_tokens`.
        device: None takes a GPU where there is one.
    """

    def __init__(
        self,
        threads: int = 1,
        *,
        workers: int = 1,
        rows: int = 128,
        tokens: int = 32_768,
        device: str | None = None,
    ) -> None:
        self._threads, self._rows, self._tokens, self._device = threads, rows, tokens, device
        self._verifier = SandboxedVerifier(workers)

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
        self, model: str, problems: Iterable[EvaluationProblem], settings: EvaluationSettings
    ) -> Iterator[Graded]:
        """Problems as they are done; closing the iterator early ends the engine too.

        Raises FieldError for settings or a problem that can't be asked, UnavailableError where the model
        can't be loaded.
        """
        from services.inference.transformers.engine import TransformersEngine, TransformersSettings

        check_settings(settings)
        with asyncio.Runner() as runner:
            told = TransformersSettings(model, self._device, self._threads, self._rows, self._tokens)
            engine = runner.run(TransformersEngine.start(told))
            try:
                stream = self._graded(engine, iter(problems), settings)
                while (graded := runner.run(_next(stream))) is not None:
                    yield graded
            finally:
                runner.run(_ended(engine))
                del engine
                gc.collect()

    async def _graded(
        self, engine: LanguageModel, problems: Iterator[EvaluationProblem], settings: EvaluationSettings
    ) -> AsyncIterator[Graded]:
        under_way: set[asyncio.Task[Graded]] = set()
        most = max(2, _AHEAD * self._rows // settings.samples)
        try:
            while True:
                for problem in islice(problems, most - len(under_way)):
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
        seed = seed_of(settings.seed, problem.id)
        sampling = Sampling(settings.samples, settings.temperature, settings.top_p, settings.max_tokens, seed)
        try:
            made = [
                asyncio.create_task(self._grade(s, problem)) async for s in engine.sample(prompt, sampling)
            ]
        except FieldError as error:
            raise _about(problem, error) from error
        graded = dict(await asyncio.gather(*made))
        return Graded(problem, tuple(graded[index] for index in range(settings.samples)))

    async def _grade(self, sample: Sample, problem: EvaluationProblem) -> tuple[int, GradedSample]:
        verdict = await self._verifier.averify(sample.text, problem.gold)
        return sample.index, GradedSample(sample.text, sample.tokens, sample.finished, verdict)


def _about(problem: EvaluationProblem, error: FieldError) -> FieldError:
    return FieldError(f"problem {problem.id[:80]!r}, {error.field}", error.problem, error.cure)


async def _ended(engine: LanguageModel) -> None:
    """Stop what is under way, also where an interrupt left it, before the engine goes."""
    # An interrupt is raised in whatever task runs; the caller has it, so nobody else need tell of it.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await engine.close()


async def _next(stream: AsyncIterator[Graded]) -> Graded | None:
    return await anext(stream, None)


class ServedStudent(Protocol):
    """A student that serves one model: `shared.clients.student.StudentClient`."""

    @property
    def info(self) -> ModelInfo: ...

    def generate(self, request: GenerationRequest) -> list[Generation]:
        """`n` samples, in order."""
        ...


class ServiceEvaluator:
    """Implements `shared.ports.Evaluator` over a student service and any verifier, many calls at once.

    Args:
        student: the service; its template holds where the settings say nothing.
        verifier: of the final answers, here or an oracle service; safe from several threads.
        at_once: problems under way together.
    """

    def __init__(self, student: ServedStudent, verifier: Verifier, at_once: int = 16) -> None:
        self._student, self._verifier, self._at_once = student, verifier, at_once

    def evaluate(
        self, model: str, problems: Iterable[EvaluationProblem], settings: EvaluationSettings
    ) -> Iterator[Graded]:
        """Problems as they are done; `model` must be the name or digest of what is served.

        Raises FieldError for settings that can't be asked with, or where another model is served.
        """
        check_settings(settings)
        served = self._student.info
        if model not in (served.model, served.name, served.digest):
            raise FieldError("model", f"is {model!r}, but {served.name} is served", "name the served model")
        left = iter(problems)
        with ThreadPoolExecutor(self._at_once, "idiolect-evaluate") as pool:
            under_way: set[Future[Graded]] = set()
            try:
                while True:
                    for problem in islice(left, 2 * self._at_once - len(under_way)):
                        under_way.add(pool.submit(ask, self._student, self._verifier, problem, settings))
                    if not under_way:
                        return
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            finally:
                for future in under_way:
                    future.cancel()
