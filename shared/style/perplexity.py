"""Perplexity from sums and counts, so that figures of many texts can be pooled by token."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.style.quarters import quarter_bounds

Four = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Loss:
    """A sum of surprisals (nats) and the number of tokens it runs over."""

    nll: float = 0.0
    tokens: int = 0

    def __add__(self, other: Loss) -> Loss:
        return Loss(self.nll + other.nll, self.tokens + other.tokens)

    @property
    def mean(self) -> float:
        """Nats per token; NaN without tokens."""
        return self.nll / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float:
        """``exp(nll / tokens)``; NaN without tokens, infinity where the exponent overflows."""
        return perplexity(self.nll, self.tokens)


def perplexity(nll: float, tokens: int) -> float:
    """``exp(nll / tokens)`` with `nll` in nats; NaN for zero tokens, infinity on overflow."""
    if tokens == 0:
        return math.nan
    try:
        return math.exp(nll / tokens)
    except OverflowError:
        return math.inf


def loss(surprisals: Iterable[float]) -> Loss:
    """Sum and count of the surprisals, summed without loss of precision."""
    values = list(surprisals)
    return Loss(math.fsum(values), len(values))


def quarter_losses(surprisals: Sequence[float]) -> tuple[Loss, Loss, Loss, Loss]:
    """Sum and count of each quarter; four empty ones where the text has fewer than four tokens."""
    bounds = quarter_bounds(len(surprisals)) or ((0, 0),) * 4
    first, second, third, fourth = (loss(surprisals[start:end]) for start, end in bounds)
    return first, second, third, fourth
