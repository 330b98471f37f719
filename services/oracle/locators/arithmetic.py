"""Checks every arithmetic claim with exact rationals; needs neither gold nor reference."""

from __future__ import annotations

from services.oracle.locators.evidence import slip_remarks
from services.oracle.locators.findings import finding_of, nothing_wrong, undecidable
from services.oracle.locators.known import known_of
from services.oracle.locators.reading import Reading, read, readable
from shared.domain import Diagnosis, Finding, Trajectory, Verdict

CONFIDENCE = 0.93
"""Share of first false claims that stood in the labelled step (half A of the labelled files)."""


class ArithmeticLocator:
    """False equations: rounding-aware, chains, fractions, per cent, calculator notes, LaTeX."""

    name = "arithmetic"

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """The first step with a false claim, or -1; None where the text is too long to read."""
        texts = [step.text for step in trajectory.steps]
        if not readable(texts):
            return undecidable()
        reading = read(texts, known_of(trajectory.problem), verdict)
        found = slip_findings(trajectory, reading)
        return Diagnosis(found[0].index, CONFIDENCE, found) if found else nothing_wrong()


def slip_findings(trajectory: Trajectory, reading: Reading) -> tuple[Finding, ...]:
    """One finding a false claim, in order."""
    return tuple(
        finding_of(trajectory, index, remark, CONFIDENCE)
        for index in range(len(reading.steps))
        for remark in slip_remarks(reading, index)
    )
