"""Correctness, benefit and utility (definitions: docs/method.md)."""

from __future__ import annotations

from shared.domain import Correctness, Diagnosis, Utility, Verdict


def correctness(verdict: Verdict, diagnosis: Diagnosis) -> float:
    """1 right answer and no step flagged; 1/2 undecided, or right with a flagged step; 0 wrong answer."""
    if verdict.value is Correctness.INCORRECT:
        return 0.0
    flagged = diagnosis.first_error is not None and diagnosis.first_error >= 0
    return 0.5 if flagged or verdict.value is Correctness.UNDECIDED else 1.0


def utility(before: float, after: float, cost: float | None, weight: float) -> Utility:
    """Benefit minus weighted cost; the total is None where the cost is needed and unknown."""
    benefit = after - before
    if weight == 0:
        return Utility(benefit, cost, weight, benefit)
    return Utility(benefit, cost, weight, None if cost is None else benefit - weight * cost)
