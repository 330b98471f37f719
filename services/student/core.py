"""What the student service does, in domain types: sample, score, fit and judge, on one hosted engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from services.inference.host import EngineHost
from services.inference.prompting import StudentTemplate
from services.student.following import Follower
from services.student.profile import Choice, FittedStudent
from services.student.shelf import ProfileShelf
from shared.domain import (
    GateVerdict,
    Label,
    ModelInfo,
    Sample,
    Sampling,
    ScorerInfo,
    Span,
    StudentProfile,
    TokenScores,
)
from shared.errors import FieldError, UnsupportedError
from shared.metrics import ServiceMetrics
from shared.ports import ScoreRequest

Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ProfileOrder:
    """What to fit: `served` scores with the served model, which wrote the samples itself where `native`."""

    name: str
    alpha: float
    served: bool
    native: bool


@dataclass(frozen=True, slots=True)
class Begun:
    """A problem, what is shown beside it, and the begin of its solution (may be empty).

    `instruction` and `system` take the place of those of the service's template, where they are given.
    """

    problem: str
    hint: str | None = None
    prefix: str = ""
    instruction: str | None = None
    system: str | None = None


class StudentCore:
    """The student: one engine, its template, and the profiles on the shelf.

    Profiles are fitted and read in threads of their own, so that calls to the engine never wait for them.
    """

    def __init__(
        self,
        host: EngineHost,
        profiles: Path,
        template: StudentTemplate,
        follower: Follower | None = None,
    ) -> None:
        self.host = host
        self._follower = follower
        self._template = template
        self._shelf = ProfileShelf(profiles, self._served)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="profiles")
        self._loop: asyncio.AbstractEventLoop | None = None
        self.metrics: ServiceMetrics | None = None

    async def start(self, tell: Callable[[bool], None], fail: Callable[[Exception], None]) -> None:
        """Begin to load the engine."""
        self._loop = asyncio.get_running_loop()
        await self.host.start(tell, fail)
        if self._follower is not None:
            self._follower.start()

    async def stop(self) -> None:
        """Let go of everything."""
        if self._follower is not None:
            await self._follower.stop()
        await self.host.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def sample(self, digest: str, begun: Begun, sampling: Sampling) -> AsyncGenerator[Sample, None]:
        """Samples of a solution, or of its rest, as they finish."""
        if not begun.problem.strip():
            raise FieldError("problem", "is empty", "give the text of the problem")
        template = self._template.instead(begun.instruction, begun.system)
        prompt = template.prompt(begun.problem, begun.hint, begun.prefix)
        async with self.host.call(digest) as engine:
            if not engine.info.generates:
                raise UnsupportedError(f"nothing can be generated: {engine.info.limits}")
            # Every engine's samples are a generator, which lets go of them when it is closed.
            samples = cast("AsyncGenerator[Sample, None]", engine.sample(prompt, sampling))
            async with aclosing(samples):
                async for sample in samples:
                    self._count(sample.prompt_tokens, sample.tokens, sample.cached_tokens)
                    yield sample

    async def score(self, digest: str, request: ScoreRequest, profile_id: str | None) -> TokenScores:
        """Scores of one text, under the served model or under the scorer of a profile."""
        if profile_id is not None:
            student = await self._student(digest, profile_id)
            if student.kind != "served":
                return (await self._threaded(student.scorer.score, [request]))[0]
            digest = student.profile.scorer.digest
        return await self._score(digest, request)

    async def _score(self, digest: str, request: ScoreRequest) -> TokenScores:
        async with self.host.call(digest) as engine:
            if not engine.info.scores:
                raise UnsupportedError(f"nothing can be scored: {engine.info.limits}")
            scores = await engine.score(self._template.prompt(request.problem), request.text)
        self._count(len(scores.spans), 0, 0)
        return scores

    async def build(
        self, digest: str, order: ProfileOrder, samples: AsyncIterator[tuple[str, str]]
    ) -> StudentProfile:
        """Fit a profile on native samples and keep it."""
        info = self.host.check(digest)
        scorer = ScorerInfo(info.name, _label(info, order.native), info.digest) if order.served else None
        choice = Choice()
        async for sample in samples:
            choice.add(sample)
        fitted = await self._threaded(self._shelf.build, order.name, choice.chosen(), order.alpha, scorer)
        return fitted.profile

    async def profile(self, profile_id: str) -> StudentProfile:
        """A profile that was built before."""
        return (await self._threaded(self._shelf.get, profile_id)).profile

    async def judge(self, digest: str, profile_id: str, request: ScoreRequest, span: Span) -> GateVerdict:
        """The gate's verdict on a span of a text."""
        student = await self._student(digest, profile_id)
        judge = student.gate.judge
        return await self._threaded(judge, request.problem, request.text, span, student.profile)

    async def _student(self, digest: str, profile_id: str) -> FittedStudent:
        self.host.check(digest)
        return await self._threaded(self._shelf.get, profile_id)

    async def _threaded(
        self, work: Callable[Given, Result], *args: Given.args, **named: Given.kwargs
    ) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **named))

    def _served(self, info: ScorerInfo) -> _ServedScorer:
        return _ServedScorer(info, self._score_all)

    def _score_all(self, digest: str, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """From a thread: scores of the served model, all under way at once."""

        async def gathered() -> list[TokenScores]:
            return await asyncio.gather(*(self._score(digest, request) for request in requests))

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(gathered(), self._loop).result()

    def _count(self, read: int, written: int, cached: int) -> None:
        if self.metrics is not None:
            self.metrics.tokens(read=read, written=written, cached=cached)


def _label(info: ModelInfo, native: bool) -> Label:
    """With what right the served model speaks for who wrote the samples; one that invents has none."""
    if info.engine == "scripted":
        return Label.SCRIPTED
    return Label.NATIVE if native else Label.SURROGATE


@dataclass(frozen=True, slots=True)
class _ServedScorer:
    """The served model as a `shared.ports.Scorer`, for threads."""

    info: ScorerInfo
    ask: Callable[[str, Sequence[ScoreRequest]], list[TokenScores]]

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """One result a request, in order."""
        return self.ask(self.info.digest, requests)
