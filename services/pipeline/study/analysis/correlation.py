"""How two figures of the arms go together."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, nan, sqrt

LEAST_ARMS = 3


def pearson(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Pearson's correlation; NaN for fewer than three pairs or where one side doesn't vary."""
    if len(xs) < LEAST_ARMS:
        return nan
    x_mean, y_mean = fsum(xs) / len(xs), fsum(ys) / len(ys)
    dx, dy = [x - x_mean for x in xs], [y - y_mean for y in ys]
    spread = sqrt(fsum(x * x for x in dx) * fsum(y * y for y in dy))
    return fsum(x * y for x, y in zip(dx, dy, strict=True)) / spread if spread > 1e-12 else nan


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Spearman's: Pearson's of the ranks, equal values sharing their mean rank."""
    return pearson(ranks(xs), ranks(ys))


def ranks(values: Sequence[float]) -> list[float]:
    """Rank of each value, 1 the smallest."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]
