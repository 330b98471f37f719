"""The style ledger of one refinement, and the utility's cost term."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shared.domain import NativeBand, ScorerInfo, Span, Step, StepStyle, StyleLedger, TokenScores
from shared.style.cost import edit_cost
from shared.style.drift import drift, edit_drift
from shared.style.perplexity import loss, perplexity, quarter_losses
from shared.style.suitability import rank_surprisal_ratio


def ledger(
    student: str,
    scorer: ScorerInfo,
    native: TokenScores,
    refined: TokenScores,
    steps: Sequence[Step],
    before: Sequence[Span],
    after: Sequence[Span],
    band: NativeBand,
) -> StyleLedger:
    """The ledger of a refined text against its native one.

    Args:
        student: profile id ``name@digest``.
        scorer: who scored both texts.
        native, refined: token scores of the two whole texts.
        steps: steps of the refined text, ascending.
        before, after: edited spans in the native and in the refined text, ascending and disjoint; both
            empty where nothing was edited (and then the drift is 0).
        band: native band of the profile.
    """
    total = loss(refined.surprisals)
    edited = bool(before) or bool(after)
    figures = {
        "ppl": perplexity(total.nll, total.tokens),
        "drift": drift(native, refined) if edited else 0.0,
        "edit_drift": edit_drift(native, refined, before, after) if edited else math.nan,
        "edit_cost": edit_cost(refined, after, band) if edited else math.nan,
        "rsr": rank_surprisal_ratio(refined),
    }
    first, second, third, fourth = (finite(part.perplexity) for part in quarter_losses(refined.surprisals))
    return StyleLedger(
        student=student,
        scorer=scorer.name,
        label=scorer.label,
        nll=total.nll,
        tokens=total.tokens,
        ppl=finite(figures["ppl"]),
        quarters=(first, second, third, fourth),
        steps=step_styles(refined, steps),
        rsr=finite(figures["rsr"]),
        drift=finite(figures["drift"]),
        edit_drift=finite(figures["edit_drift"]),
        edit_cost=finite(figures["edit_cost"]),
        reason=_missing(refined, len(native.spans), edited, figures),
    )


def finite(value: float) -> float | None:
    """The figure, or None where it is NaN or infinite: outside Python a figure exists or it doesn't."""
    return value if math.isfinite(value) else None


def step_styles(scores: TokenScores, steps: Sequence[Step]) -> tuple[StepStyle, ...]:
    """Sum of surprisals and token count a step; a token belongs to the step that holds its first character.

    Tokens that begin between two steps (the joiner) belong to none.
    """
    sums: list[list[float]] = [[] for _ in steps]
    position = 0
    for token, surprisal in zip(scores.spans, scores.surprisals, strict=True):
        while position < len(steps) and steps[position].span.end <= token.start:
            position += 1
        if position == len(steps):
            break
        if steps[position].span.start <= token.start:
            sums[position].append(surprisal)
    return tuple(
        StepStyle(step.index, math.fsum(values), len(values))
        for step, values in zip(steps, sums, strict=True)
    )


def _missing(refined: TokenScores, native_tokens: int, edited: bool, figures: dict[str, float]) -> str | None:
    """One readable reason for the figures that are missing although they were asked for."""
    tokens = len(refined.spans)
    if tokens == 0:
        return "the refined text has no tokens"
    if edited and native_tokens == 0:
        return "the native text has no tokens"
    if edited and math.isnan(figures["edit_cost"]):
        return "no token of the refined text begins inside an edit"
    if edited and math.isnan(figures["edit_drift"]):
        return "no token of the native text begins inside an edit"
    if tokens < 4:
        return "fewer than four tokens have no quarters"
    if 0 in refined.ranks:
        return "the scorer tells no ranks"
    if not math.isfinite(figures["rsr"]):
        return "the surprisals add up to nothing"
    return None
