"""Steps 7 to 9: the style gate, the choice by utility, and the refinement that results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.pipeline.refinement.acceptance import Accepted
from services.pipeline.refinement.dependents import dependents
from services.pipeline.refinement.draft import Draft
from services.pipeline.refinement.settings import SearchSettings
from services.pipeline.refinement.worth import correctness, utility
from shared.domain import (
    Correctness,
    GateVerdict,
    Outcome,
    Refinement,
    StudentProfile,
    StyleLedger,
    TokenScores,
    Trajectory,
    Tried,
    Utility,
)
from shared.errors import NO_ITEMS_FAULT, InputError
from shared.ports import Scorer, ScoreRequest, StyleGate
from shared.style.cost import cost
from shared.style.ledger import finite, ledger
from shared.text.edits import preserved_fraction

TIE = 0.05
"""Utilities that differ by no more are equal: the cost counts the tokens that are there, so that by itself it
would favour shorter texts over smaller edits."""


@dataclass(frozen=True, slots=True)
class Student:
    """Everything that speaks for the student: profile, scorer and style gate."""

    profile: StudentProfile
    scorer: Scorer
    gate: StyleGate


class Judge:
    """Scores the texts of one batch, once each, and takes the best candidate of a draft."""

    def __init__(self, student: Student | None, settings: SearchSettings) -> None:
        self._student = student
        self._settings = settings
        self._scores: dict[tuple[str, str], TokenScores] = {}
        self._gates: dict[tuple[str, str], GateVerdict] = {}
        self._unscorable: dict[tuple[str, str], str] = {}

    def score(self, drafts: Sequence[Draft]) -> None:
        """Score every accepted candidate of `drafts`, and the native text beside it, in one call."""
        texts = [accepted.refined for draft in drafts for accepted in draft.accepted]
        natives = [draft.native for draft in drafts if draft.accepted]
        self._score_texts([*natives, *texts])

    def score_native(self, drafts: Sequence[Draft]) -> None:
        """Score the native texts that no tier has scored yet."""
        self._score_texts([draft.native for draft in drafts if draft.error is None])

    def _score_texts(self, trajectories: Sequence[Trajectory]) -> None:
        if self._student is None:
            return
        wanted = dict.fromkeys(_key(t) for t in trajectories if _key(t) not in self._scores)
        requests = [ScoreRequest(problem, text) for problem, text in wanted]
        try:
            self._scores.update(zip(wanted, self._student.scorer.score(requests), strict=True))
        except NO_ITEMS_FAULT:
            raise
        except InputError:
            for request in requests:
                self._score_alone(self._student.scorer, request)

    def _score_alone(self, scorer: Scorer, request: ScoreRequest) -> None:
        key = request.problem, request.text
        try:
            self._scores[key] = scorer.score([request])[0]
        except NO_ITEMS_FAULT:
            raise
        except InputError as error:
            self._scores[key] = TokenScores((), (), ())
            self._unscorable[key] = str(error)

    def choose(self, draft: Draft) -> None:
        """Take the acceptable candidate of highest utility that passes the gate, if there is one.

        Where utilities tie, and without a scorer, the one that preserves most of the native text.
        """
        passing = []
        for accepted in draft.accepted:
            verdict = self.gate(accepted)
            if verdict is None or verdict.passed or self._settings.gate == "report":
                passing.append(accepted)
            else:
                reason = f"style gate: {verdict.statistic:.3f} above {verdict.threshold:.3f}"
                draft.tried.append(Tried(accepted.candidate.rewriter, reason))
        if passing:
            draft.chosen = self._best(draft, passing)
            draft.tried += [
                Tried(other.candidate.rewriter, "lower utility")
                for other in passing
                if other is not draft.chosen
            ]

    def _best(self, draft: Draft, passing: Sequence[Accepted]) -> Accepted:
        """Of the candidates whose utility is within `TIE` of the best, the one that preserves most."""
        totals = [self._total(draft, accepted) for accepted in passing]
        near = [one for one, total in zip(passing, totals, strict=True) if total >= max(totals) - TIE]
        return max(near, key=lambda one: preserved_fraction(draft.native.text, one.candidate.edits))

    def _total(self, draft: Draft, accepted: Accepted) -> float:
        """Utility, the least possible where it is unknown; 0 for all without a student."""
        worth = self.utility(draft, accepted)
        if worth is None:
            return 0.0
        return worth.total if worth.total is not None else -math.inf

    def gate(self, accepted: Accepted) -> GateVerdict | None:
        """The gate's verdict on the most foreign edited span; None without a student or a new span."""
        if self._student is None:
            return None
        key = _key(accepted.refined)
        if key not in self._gates:
            found = [
                self._student.gate.judge(key[0], key[1], span, self._student.profile)
                for span in accepted.spans
                if len(span)
            ]
            if not found:
                return None
            self._gates[key] = max(found, key=_foreignness)
        return self._gates[key]

    def utility(self, draft: Draft, accepted: Accepted | None) -> Utility | None:
        """Utility of a candidate, or of leaving the text as it is."""
        if self._student is None:
            return None
        before = correctness(draft.verdict, draft.diagnosis)
        after = correctness(accepted.verdict, accepted.diagnosis) if accepted else before
        spent = self._cost(draft.native, accepted.refined if accepted else draft.native)
        return utility(before, after, spent, self._settings.weight)

    def _cost(self, native: Trajectory, refined: Trajectory) -> float | None:
        if self._student is None or {_key(native), _key(refined)} & self._unscorable.keys():
            return None
        tokens = len(self._scores[_key(native)].spans)
        return finite(cost(self._scores[_key(refined)], tokens, self._student.profile.band))

    def ledger(self, draft: Draft, accepted: Accepted | None) -> StyleLedger | None:
        """Style ledger of a candidate, or of the native text (drift 0)."""
        if self._student is None:
            return None
        refined = accepted.refined if accepted else draft.native
        edits = accepted.candidate.edits if accepted else ()
        found = ledger(
            self._student.profile.id,
            self._student.scorer.info,
            self._scores[_key(draft.native)],
            self._scores[_key(refined)],
            refined.steps,
            [edit.span for edit in edits],
            accepted.spans if accepted else (),
            self._student.profile.band,
        )
        why = self._unscorable.get(_key(refined)) or self._unscorable.get(_key(draft.native))
        return replace(found, drift=None, reason=why) if why else found


def _foreignness(verdict: GateVerdict) -> tuple[bool, float]:
    """Spans that the gate could read come before those that hold no token."""
    return verdict.tokens > 0, verdict.statistic - verdict.threshold


def _key(trajectory: Trajectory) -> tuple[str, str]:
    return trajectory.problem.text, trajectory.text


def conclude(draft: Draft, judge: Judge) -> Refinement:
    """The refinement of a draft that has been through all tiers."""
    outcome, reason = _outcome(draft)
    chosen = draft.chosen
    edits = chosen.candidate.edits if chosen else ()
    return Refinement(
        trajectory=draft.native,
        refined=chosen.refined.text if chosen else draft.native.text,
        outcome=outcome,
        reason=reason,
        diagnosis=draft.diagnosis,
        edits=edits,
        before=draft.verdict,
        after=chosen.verdict if chosen else draft.verdict,
        gold_source="given" if draft.native.problem.gold is not None else "none",
        style=judge.ledger(draft, chosen),
        utility=judge.utility(draft, chosen),
        gate=judge.gate(chosen) if chosen else None,
        tried=tuple(draft.tried),
        preserved=preserved_fraction(draft.native.text, edits),
    )


def failed(draft: Draft) -> Refinement:
    """The refinement of a draft that broke: the native text stands and the reason is said."""
    return Refinement(
        trajectory=draft.native,
        refined=draft.native.text,
        outcome=Outcome.FAILED,
        reason=draft.error,
        diagnosis=draft.diagnosis,
        edits=(),
        before=draft.verdict,
        after=draft.verdict,
        gold_source="given" if draft.native.problem.gold is not None else "none",
        style=None,
        utility=None,
        gate=None,
        tried=tuple(draft.tried),
        preserved=1.0,
    )


def _outcome(draft: Draft) -> tuple[Outcome, str | None]:
    if draft.chosen is not None:
        return _repaired_or_regenerated(draft, draft.chosen)
    if draft.verdict.value is Correctness.UNDECIDED:
        return Outcome.UNDECIDED, draft.verdict.reason
    if draft.verdict.value is Correctness.CORRECT:
        flagged = correctness(draft.verdict, draft.diagnosis) < 1.0
        return Outcome.KEPT, "a step is flagged and no acceptable repair was found" if flagged else None
    return Outcome.REJECTED, _why_rejected(draft)


def _repaired_or_regenerated(draft: Draft, chosen: Accepted) -> tuple[Outcome, str | None]:
    steps = [step.text for step in draft.native.steps]
    flagged = [index for index in draft.diagnosis.flagged() if index < len(steps)]
    allowed = dependents(draft.native.problem.text, steps, flagged)
    beyond = sorted(set(chosen.candidate.touched) - allowed)
    if not beyond:
        return Outcome.REPAIRED, None
    listed = f"step {beyond[0]} was" if len(beyond) == 1 else f"steps {', '.join(map(str, beyond))} were"
    return Outcome.REGENERATED, f"{listed} replaced though not flagged or dependent"


def _why_rejected(draft: Draft) -> str:
    if not draft.tried:
        return "no rewriter had a proposal"
    if any(tried.reason.startswith("style gate") for tried in draft.tried):
        return "no acceptable candidate sounds like the student"
    return "no candidate was acceptable"
