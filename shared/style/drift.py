"""Drift: nats per token that a refined text adds to the native one, same scorer, same problem."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain import Span, TokenScores
from shared.style.cost import tokens_in
from shared.style.perplexity import Loss, loss


def drift(native: TokenScores, refined: TokenScores) -> float:
    """Mean surprisal of the refined minus that of the native text; NaN where either has no tokens."""
    return loss(refined.surprisals).mean - loss(native.surprisals).mean


def edit_drift(
    native: TokenScores, refined: TokenScores, before: Sequence[Span], after: Sequence[Span]
) -> float:
    """The same over the edited spans alone; NaN where one side holds no token (pure insertion, deletion)."""
    return span_loss(refined, after).mean - span_loss(native, before).mean


def span_loss(scores: TokenScores, spans: Sequence[Span]) -> Loss:
    """Sum and count of the surprisals of the tokens that begin inside the spans."""
    return loss(scores.surprisals[index] for index in tokens_in(scores, spans))
