"""What a refined text costs the student to learn."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shared.domain import NativeBand, Span, TokenScores
from shared.style.band import excess


def tokens_in(scores: TokenScores, spans: Sequence[Span]) -> list[int]:
    """Indices of the tokens whose first character lies in one of the spans, ascending.

    Spans are ascending and disjoint; a token belongs to whatever holds its first character.
    """
    found: list[int] = []
    position = 0
    for index, token in enumerate(scores.spans):
        while position < len(spans) and spans[position].end <= token.start:
            position += 1
        if position == len(spans):
            break
        if spans[position].start <= token.start:
            found.append(index)
    return found


def cost(refined: TokenScores, native_tokens: int, band: NativeBand) -> float:
    """``sum of max(0, surprisal - band)`` over the refined tokens ``/ native tokens``, in nats.

    NaN where the native text has no tokens.
    """
    if native_tokens == 0:
        return math.nan
    return math.fsum(excess(refined.surprisals, band)) / native_tokens


def edit_cost(refined: TokenScores, edited: Sequence[Span], band: NativeBand) -> float:
    """Mean of ``max(0, surprisal - band)`` over the edited tokens, in nats; NaN without any."""
    tokens = tokens_in(refined, edited)
    if not tokens:
        return math.nan
    over = excess(refined.surprisals, band)
    return math.fsum(over[index] for index in tokens) / len(tokens)
