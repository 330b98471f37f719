"""The student repairs itself: it goes on from its own verified prefix, alone or with a hint.

Both rewriters only combine ports. What they write is the student's by construction; whether it is right
is for the acceptance tests to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.domain import Candidate, Edit, Span, StepVerdict, Trajectory
from shared.ports import GenerationRequest, Generator, RewriteRequest


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the student is sampled: `n` continuations at `temperature`, `max_tokens` new tokens each."""

    n: int = 4
    temperature: float = 0.8
    max_tokens: int = 192


@dataclass(frozen=True, slots=True)
class StudentContinue:
    """Samples the student again from the prefix before the first wrong step."""

    generator: Generator
    sampling: Sampling = field(default_factory=Sampling)
    name: str = field(default="student_continue", init=False)

    def propose(self, request: RewriteRequest) -> Iterator[Candidate]:
        """One candidate a finished sample; none where nobody knows the first wrong step."""
        yield from _continue(self.generator, self.sampling, request, None, self.name)


@dataclass(frozen=True, slots=True)
class StudentGuided:
    """The same, shown what the locators found; the hint is no part of the text."""

    generator: Generator
    sampling: Sampling = field(default_factory=Sampling)
    name: str = field(default="student_guided", init=False)

    def propose(self, request: RewriteRequest) -> Iterator[Candidate]:
        """One candidate a finished sample; none without evidence to hint at."""
        hint = _hint(request)
        if hint is not None:
            yield from _continue(self.generator, self.sampling, request, hint, self.name)


def _continue(
    generator: Generator, sampling: Sampling, request: RewriteRequest, hint: str | None, name: str
) -> Iterator[Candidate]:
    trajectory = request.trajectory
    first = request.diagnosis.first_error
    if first is None or not 0 <= first < len(trajectory.steps):
        return
    start = trajectory.steps[first].span.start
    samples = generator.generate(
        GenerationRequest(
            problem=trajectory.problem.text,
            prefix=trajectory.text[:start],
            hint=hint,
            n=sampling.n,
            temperature=sampling.temperature,
            max_tokens=sampling.max_tokens,
            seed=request.seed,
        )
    )
    for sample in samples:
        text = sample.text.rstrip() if start else sample.text.strip()
        if sample.finished and text.strip():
            yield _candidate(trajectory, first, start, text, name)


def _candidate(trajectory: Trajectory, first: int, start: int, text: str, name: str) -> Candidate:
    end = trajectory.steps[-1].span.end
    edit = Edit(Span(start, end), trajectory.text[start:end], text, "student", name)
    touched = tuple(range(first, len(trajectory.steps)))
    return Candidate((edit,), name, touched, f"the student goes on from step {first}")


def _hint(request: RewriteRequest) -> str | None:
    first = request.diagnosis.first_error
    for finding in request.diagnosis.findings:
        if finding.index == first and finding.verdict is StepVerdict.WRONG and finding.evidence:
            return finding.evidence
    return None
