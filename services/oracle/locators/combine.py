"""The diagnosis that the pipeline uses: answer, arithmetic and reference together.

- Wrong answer: each step gets a probability (`scoring`) from what arithmetic, reference, place and form
  say about it; the likeliest is the first error. Without a reference the first false claim is, if any.
- Right answer: only strong evidence counts, a false arithmetic claim or (in word problems) a quantity off the
  reference that leads nowhere.
- Undecided: a false claim is an error, silence is no verdict.
"""

from __future__ import annotations

from services.oracle.locators.arithmetic import CONFIDENCE as ARITHMETIC_CONFIDENCE
from services.oracle.locators.arithmetic import slip_findings
from services.oracle.locators.evidence import step_remarks
from services.oracle.locators.features import features
from services.oracle.locators.findings import finding_of, nothing_wrong, undecidable
from services.oracle.locators.known import known_of
from services.oracle.locators.reading import Reading, read, readable
from services.oracle.locators.reference import departure_findings, departures
from services.oracle.locators.scoring import probabilities, weights_for
from shared.domain import Correctness, Diagnosis, Finding, StepVerdict, Trajectory, Verdict


class CombinedLocator:
    """All rules of this package in one diagnosis; pure, safe to call from any thread."""

    name = "combined"

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """Diagnosis of the trajectory, given the verdict on its final answer."""
        texts = [step.text for step in trajectory.steps]
        if not readable(texts):
            return undecidable()
        reading = read(texts, known_of(trajectory.problem), verdict)
        if verdict.value is Correctness.INCORRECT:
            return _blamed(trajectory, reading)
        return _strong(trajectory, reading, verdict)


def _strong(trajectory: Trajectory, reading: Reading, verdict: Verdict) -> Diagnosis:
    """What is wrong whatever the answer says."""
    found = list(slip_findings(trajectory, reading))
    if verdict.value is Correctness.CORRECT:
        found += departure_findings(trajectory, reading, departures(reading, verdict))
    if not found:
        return nothing_wrong() if verdict.value is Correctness.CORRECT else undecidable()
    ordered = tuple(sorted(dict.fromkeys(found), key=lambda finding: (finding.index, finding.span)))
    return Diagnosis(ordered[0].index, ordered[0].confidence, ordered)


def _blamed(trajectory: Trajectory, reading: Reading) -> Diagnosis:
    """The likeliest first error of a solution with a wrong answer."""
    chosen, confidence = _likeliest(trajectory, reading)
    found = [finding_of(trajectory, chosen, remark, confidence) for remark in step_remarks(reading, chosen)]
    found += [_around(finding, chosen) for finding in slip_findings(trajectory, reading)]
    unique = {(finding.index, finding.span, finding.evidence): finding for finding in reversed(found)}
    ordered = tuple(sorted(unique.values(), key=lambda finding: (finding.index, finding.span)))
    return Diagnosis(chosen, round(confidence, 4), ordered)


def _around(finding: Finding, chosen: int) -> Finding:
    """A remark on another step; before the first error it is only a doubt."""
    if finding.index >= chosen:
        return finding
    return Finding(
        finding.index,
        finding.span,
        StepVerdict.UNKNOWN,
        finding.evidence,
        finding.source,
        finding.confidence,
        finding.expected,
    )


def _likeliest(trajectory: Trajectory, reading: Reading) -> tuple[int, float]:
    slips = [index for index, step in enumerate(reading.steps) if step.slips]
    if slips and not trajectory.problem.reference:
        return slips[0], ARITHMETIC_CONFIDENCE
    rows = features(reading, trajectory.problem.text)
    shares = probabilities(rows, weights_for(reading.known.formal))
    chosen = max(range(len(shares)), key=lambda index: shares[index])
    return chosen, shares[chosen]
