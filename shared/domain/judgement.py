"""What is said about a trajectory: verdicts on answers and steps, and the diagnosis they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.trajectory import Span


class Correctness(StrEnum):
    """Is the final answer the gold one? Never INCORRECT because of a time-out."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of comparing a final answer with gold.

    Attributes:
        value: correct, incorrect or undecided.
        reason: why it is undecided (``timeout``, ``memory``, ``crash``, ``no_gold``, ``no_answer``,
            ``unparsable_gold``, ``too_long``), or a short note on how it was decided; never empty
            when undecided.
        answer: the final answer as found in the text, None where none was found.
    """

    value: Correctness
    reason: str | None = None
    answer: str | None = None


class StepVerdict(StrEnum):
    """What a locator says about one step."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One locator's remark about one step.

    Attributes:
        index: 0-based index of the step.
        span: where in the whole text; the step's span, or the part of it that is wrong.
        verdict: right, wrong or unknown.
        evidence: a sentence that a person can check ("12 * 5 is 60, not 65").
        source: name of the locator.
        confidence: 0..1, the share of such findings that were right on labelled traces.
        expected: the value or text that should stand there, where the locator knows it.
    """

    index: int
    span: Span
    verdict: StepVerdict
    evidence: str
    source: str
    confidence: float
    expected: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Where a trajectory first goes wrong.

    Attributes:
        first_error: 0-based index of the first wrong step; -1 nothing wrong was found; None nobody
            could tell (no gold and no evidence).
        confidence: 0..1 for `first_error`.
        findings: every remark, ordered by step.
    """

    first_error: int | None
    confidence: float
    findings: tuple[Finding, ...] = ()

    def flagged(self) -> tuple[int, ...]:
        """Indices of the steps called wrong, ascending."""
        return tuple(sorted({f.index for f in self.findings if f.verdict is StepVerdict.WRONG}))
