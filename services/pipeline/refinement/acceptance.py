"""When a candidate may stand: the answer verifies, every number is grounded, no wrong step is left."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain import Candidate, Correctness, Diagnosis, Span, Trajectory, Verdict
from shared.ports import Locator, Verifier
from shared.quantities.grounding import ungrounded
from shared.text.edits import apply, check_untouched, map_steps, refined_spans


@dataclass(frozen=True, slots=True)
class Accepted:
    """An acceptable candidate, carried out.

    Attributes:
        candidate: the proposal. refined: the trajectory with its edits applied.
        spans: where the edits stand in the refined text. verdict, diagnosis: those of the refined text.
    """

    candidate: Candidate
    refined: Trajectory
    spans: tuple[Span, ...]
    verdict: Verdict
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The three tests of a candidate, cheapest first; the same for every rewriter."""

    verifier: Verifier
    locator: Locator

    def judge(self, native: Trajectory, candidate: Candidate) -> Accepted | str:
        """The candidate carried out, or the reason why it can't stand."""
        refined = carry_out(native, candidate)
        if refined.text == native.text or not refined.steps:
            return "changes nothing"
        loose = self._ungrounded(refined, candidate)
        if loose:
            return loose
        verdict = self.verifier.verify(refined.text, native.problem.gold)
        if verdict.value is not Correctness.CORRECT:
            return f"answer {verdict.value}" + (f" ({verdict.reason})" if verdict.reason else "")
        diagnosis = self.locator.locate(refined, verdict)
        if diagnosis.first_error is not None and diagnosis.first_error >= 0:
            return f"wrong step left: {_evidence(diagnosis)}"
        spans = refined_spans(candidate.edits)
        return Accepted(candidate, refined, spans, verdict, diagnosis)

    def _ungrounded(self, refined: Trajectory, candidate: Candidate) -> str | None:
        first = min(candidate.touched, default=0)
        steps = [step.text for step in refined.steps]
        loose = ungrounded(refined.problem.text, steps, min(first, len(steps) - 1))
        if not loose:
            return None
        return f"ungrounded {loose[0].value} in step {loose[0].step}"


def carry_out(native: Trajectory, candidate: Candidate) -> Trajectory:
    """The trajectory with the candidate's edits applied; its steps are found anew or tracked."""
    text = apply(native.text, candidate.edits)
    check_untouched(native.text, text, candidate.edits)
    return replace(native, text=text, steps=map_steps(native, candidate.edits))


def _evidence(diagnosis: Diagnosis) -> str:
    for finding in diagnosis.findings:
        if finding.index == diagnosis.first_error:
            return finding.evidence
    return "no evidence given"
