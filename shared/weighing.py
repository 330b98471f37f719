"""Several diagnoses in one, by weights that the caller states.

Every locator with a verdict votes for the step it names, or for -1 (nothing is wrong):

    support(s)    = sum of weight(l) * confidence(l) over the locators l whose first error is s
    first error   = the s with the largest support; a tie goes to the earlier step, and -1 loses a tie
    confidence(s) = support(s) / sum of weight(l) over all locators l that have a verdict

So the confidence is the weighted mean of the belief in the winner, with 0 from whoever names another step.

A locator that is undecided (None) has no vote and no part in the second sum. Nor has one that says -1 of a
solution whose final answer is wrong: some step is wrong, that locator merely found none. Where no support is
above zero the diagnosis is undecided.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.domain import Correctness, Diagnosis, Finding, StepVerdict, Verdict
from shared.errors import FieldError


def check_weights(names: Sequence[str], weights: Mapping[str, float]) -> None:
    """FieldError unless each name is given once and has a weight >= 0, at least one of them above 0.

    A locator with weight 0 has no vote, but its findings are kept.
    """
    if len(set(names)) < len(names):
        raise FieldError("locators", f"names one twice: {', '.join(names)}", "give each one once")
    if set(names) != weights.keys():
        problem = f"weighs {', '.join(weights) or 'nothing'}"
        raise FieldError("weights", problem, f"give one weight for each of {', '.join(names)}")
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights.values()):
        raise FieldError("weights", f"is {dict(weights)}", "give finite numbers >= 0")
    if not any(weights.values()):
        raise FieldError("weights", "lets nobody vote", "give a weight above 0")


def weighed(votes: Sequence[tuple[float, Diagnosis]], verdict: Verdict) -> Diagnosis:
    """One diagnosis from (weight, diagnosis) pairs; the formula stands at the top of this file.

    All findings are kept, ordered by step. Those that call a step before the first error wrong become doubts
    (unknown), since the diagnosis does not share them.
    """
    support: defaultdict[int, float] = defaultdict(float)
    decided = 0.0
    for weight, diagnosis in votes:
        named = _vote(diagnosis, verdict)
        if named is not None:
            support[named] += weight * diagnosis.confidence
            decided += weight
    winner = min(support, key=lambda step: (-support[step], step < 0, step), default=None)
    if winner is None or support[winner] <= 0:
        return Diagnosis(None, 0.0, _ordered(votes, None))
    return Diagnosis(winner, round(support[winner] / decided, 4), _ordered(votes, winner))


def _vote(diagnosis: Diagnosis, verdict: Verdict) -> int | None:
    """The step that a locator votes for, -1 for none, None where it has no vote."""
    overlooked = diagnosis.first_error == -1 and verdict.value is Correctness.INCORRECT
    return None if overlooked else diagnosis.first_error


def _ordered(votes: Sequence[tuple[float, Diagnosis]], winner: int | None) -> tuple[Finding, ...]:
    """Every finding once, by step and place."""
    found = (finding for _, diagnosis in votes for finding in diagnosis.findings)
    kept = dict.fromkeys(_agreeing(finding, winner) for finding in found)
    return tuple(sorted(kept, key=lambda finding: (finding.index, finding.span)))


def _agreeing(finding: Finding, winner: int | None) -> Finding:
    accepted = winner is not None and 0 <= winner <= finding.index
    if accepted or finding.verdict is not StepVerdict.WRONG:
        return finding
    return replace(finding, verdict=StepVerdict.UNKNOWN)
