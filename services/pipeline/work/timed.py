"""The parts of the search as they are, with their durations and results told to Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from services.pipeline.metrics import WorkMetrics
from services.pipeline.refinement.search import Refiner
from services.pipeline.refinement.selection import Student
from shared.domain import (
    Candidate,
    Diagnosis,
    GateVerdict,
    Refinement,
    ScorerInfo,
    Span,
    StudentProfile,
    TokenScores,
    Trajectory,
    Verdict,
)
from shared.ports import Locator, Rewriter, RewriteRequest, Scorer, ScoreRequest, StyleGate, Verifier


@dataclass(frozen=True, slots=True)
class TimedRefiner:
    """A refiner whose stages are timed, and whose refinements are told."""

    inner: Refiner
    metrics: WorkMetrics

    @classmethod
    def around(cls, refiner: Refiner, metrics: WorkMetrics) -> TimedRefiner:
        """The same search over timed parts."""
        student = refiner.student
        if student is not None:
            scorer, gate = _Scorer(student.scorer, metrics), _Gate(student.gate, metrics)
            student = Student(student.profile, scorer, gate)
        tiers = [[_Rewriter(rewriter, metrics) for rewriter in tier] for tier in refiner.tiers]
        verifier, locator = _Verifier(refiner.verifier, metrics), _Locator(refiner.locator, metrics)
        timed = replace(refiner, verifier=verifier, locator=locator, tiers=tiers, student=student)
        return cls(timed, metrics)

    def refine_many(self, trajectories: Iterable[Trajectory]) -> Iterator[Refinement]:
        """See Refiner."""
        for refinement in self.inner.refine_many(trajectories):
            self._tell(refinement)
            yield refinement

    def _tell(self, refinement: Refinement) -> None:
        """Drift and utility of what was changed; an untouched text has a drift of 0 by definition."""
        if not refinement.edits:
            return
        drift = None if refinement.style is None else refinement.style.drift
        utility = None if refinement.utility is None else refinement.utility.total
        self.metrics.changed(drift, utility)


@dataclass(frozen=True, slots=True)
class _Verifier:
    inner: Verifier
    metrics: WorkMetrics

    def verify(self, text: str, gold: str | None) -> Verdict:
        with self.metrics.stage("verify"):
            return self.inner.verify(text, gold)


@dataclass(frozen=True, slots=True)
class _Locator:
    inner: Locator
    metrics: WorkMetrics

    @property
    def name(self) -> str:
        return self.inner.name

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        with self.metrics.stage("locate"):
            return self.inner.locate(trajectory, verdict)


@dataclass(frozen=True, slots=True)
class _Rewriter:
    inner: Rewriter
    metrics: WorkMetrics

    @property
    def name(self) -> str:
        return self.inner.name

    def propose(self, request: RewriteRequest) -> Iterator[Candidate]:
        """The time in which candidates are waited for, without what is done with them in between."""
        candidates, waited = iter(self.inner.propose(request)), 0.0
        try:
            while True:
                began = time.monotonic()
                candidate = next(candidates, None)
                waited += time.monotonic() - began
                if candidate is None:
                    return
                yield candidate
        finally:
            self.metrics.took("propose", waited)
            close = getattr(candidates, "close", None)
            if close is not None:
                close()


@dataclass(frozen=True, slots=True)
class _Scorer:
    inner: Scorer
    metrics: WorkMetrics

    @property
    def info(self) -> ScorerInfo:
        return self.inner.info

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        with self.metrics.stage("score"):
            return self.inner.score(requests)


@dataclass(frozen=True, slots=True)
class _Gate:
    inner: StyleGate
    metrics: WorkMetrics

    def judge(self, problem: str, text: str, span: Span, profile: StudentProfile) -> GateVerdict:
        with self.metrics.stage("gate"):
            return self.inner.judge(problem, text, span, profile)
