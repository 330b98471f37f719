"""The locator that looks at nothing but the verdict on the final answer."""

from __future__ import annotations

from services.oracle.locators.findings import nothing_wrong, undecidable
from shared.domain import Correctness, Diagnosis, Finding, StepVerdict, Trajectory, Verdict

GUESS_CONFIDENCE = 0.22
"""Share of wrong solutions whose second step was the first wrong one: docs/results/locators.md."""


class AnswerLocator:
    """A gate: a right answer flags nothing; a wrong one blames the second step, with low confidence."""

    name = "answer"

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """First error -1, a guess, or None where the verdict is undecided."""
        if verdict.value is Correctness.CORRECT:
            return nothing_wrong()
        if verdict.value is Correctness.UNDECIDED or not trajectory.steps:
            return undecidable()
        step = trajectory.steps[min(1, len(trajectory.steps) - 1)]
        evidence = f"the final answer is wrong ({verdict.answer or 'none was found'}); some step must be"
        finding = Finding(step.index, step.span, StepVerdict.WRONG, evidence, self.name, GUESS_CONFIDENCE)
        return Diagnosis(step.index, GUESS_CONFIDENCE, (finding,))
