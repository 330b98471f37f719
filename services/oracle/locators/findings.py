"""Remarks become findings of a diagnosis."""

from __future__ import annotations

from collections.abc import Iterable

from services.oracle.locators.evidence import Remark
from shared.domain import Diagnosis, Finding, StepVerdict, Trajectory

RIGHT_CONFIDENCE = 0.9
"""Share of right-answer solutions of the labelled files without a wrong step."""


def nothing_wrong(findings: Iterable[Finding] = ()) -> Diagnosis:
    """No wrong step was found."""
    return Diagnosis(-1, RIGHT_CONFIDENCE, tuple(findings))


def undecidable(findings: Iterable[Finding] = ()) -> Diagnosis:
    """Nobody could tell."""
    return Diagnosis(None, 0.0, tuple(findings))


def finding_of(
    trajectory: Trajectory,
    index: int,
    remark: Remark,
    confidence: float,
    verdict: StepVerdict = StepVerdict.WRONG,
) -> Finding:
    """`remark` about step `index`, its span moved to the whole text."""
    span = remark.span.shifted(trajectory.steps[index].span.start)
    return Finding(index, span, verdict, remark.text, remark.source, round(confidence, 4), remark.expected)
