"""The locator that follows quantities, and how they were derived, against the reference solution."""

from __future__ import annotations

from services.oracle.locators.evidence import step_remarks
from services.oracle.locators.findings import finding_of, nothing_wrong, undecidable
from services.oracle.locators.known import known_of
from services.oracle.locators.reading import Derived, Reading, dead_ends, read, readable
from shared.domain import Correctness, Diagnosis, Finding, Trajectory, Verdict

CONFIDENCE = 0.7
"""Share of first departures that stood in the labelled step, where no earlier step was labelled (half A)."""


class ReferenceLocator:
    """The first derivation that departs from the reference and isn't explained as a detour."""

    name = "reference"

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """The first departing step, -1, or None without a reference or a decided verdict."""
        texts = [step.text for step in trajectory.steps]
        if not trajectory.problem.reference or not readable(texts):
            return undecidable()
        reading = read(texts, known_of(trajectory.problem), verdict)
        departing = departures(reading, verdict)
        if not departing:
            return nothing_wrong() if verdict.value is Correctness.CORRECT else undecidable()
        found = departure_findings(trajectory, reading, departing)
        return Diagnosis(found[0].index, CONFIDENCE, found)


def departures(reading: Reading, verdict: Verdict) -> list[Derived]:
    """Derivations to blame: with a right answer only those that lead nowhere, else all that depart."""
    if verdict.value is Correctness.CORRECT:
        return [] if reading.known.formal else dead_ends(reading)
    return [one for one in reading.derived if one.departs and not one.tainted]


def departure_findings(
    trajectory: Trajectory, reading: Reading, departing: list[Derived]
) -> tuple[Finding, ...]:
    """The remarks on every step that holds one of `departing`, in order."""
    return tuple(
        finding_of(trajectory, index, remark, CONFIDENCE)
        for index in sorted({one.made.step for one in departing})
        for remark in step_remarks(reading, index)
    )
