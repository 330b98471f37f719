"""Which weight of cost makes utility predict the accuracy gained?

Utility of an arm = benefit - lambda * cost, both as docs/method.md defines them, averaged over its texts:
benefit is the mean correctness of its texts minus that of the student's samples that were to be edited, cost
the nats above the native band a native token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan

from services.pipeline.study.analysis.correlation import pearson
from services.pipeline.study.analysis.draws import interval
from shared.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class Worth:
    """Benefit and cost of one arm."""

    benefit: float
    cost: float

    def utility(self, weight: float) -> float:
        """Benefit minus weighted cost; an infinite weight leaves the cost alone."""
        return -self.cost if weight == inf else self.benefit - weight * self.cost


@dataclass(frozen=True, slots=True)
class Sweep:
    """Correlation of utility with accuracy gained, by lambda (infinite: cost alone), and the best lambda.

    Where several lambdas predict equally well the smallest is `best`. `low` and `high` are the 95 %
    percentile interval of the best one over resamples.
    """

    correlations: tuple[tuple[float, Interval], ...]
    best: float
    low: float
    high: float


def sweep(
    worths: Sequence[Worth],
    gains: Sequence[float],
    resampled: Sequence[Sequence[float]],
    lambdas: Sequence[float],
) -> Sweep:
    """The sweep over arms: `gains` one an arm, `resampled` one list an arm."""
    weights = (*sorted(lambdas), inf)
    draws = list(zip(*resampled, strict=True))
    columns = [_correlations(worths, draw, weights) for draw in draws]
    found = _correlations(worths, gains, weights)
    told = tuple(
        (weight, interval(found[place], [column[place] for column in columns], len(worths)))
        for place, weight in enumerate(weights)
    )
    best = sorted(weights[place] for column in columns if (place := _best(column)) is not None)
    cut = int(0.025 * len(best))
    place = _best(found)
    if place is None or not best:
        return Sweep(told, nan, nan, nan)
    return Sweep(told, weights[place], best[cut], best[-1 - cut])


def _correlations(worths: Sequence[Worth], gains: Sequence[float], weights: Sequence[float]) -> list[float]:
    return [pearson([worth.utility(weight) for worth in worths], gains) for weight in weights]


def _best(correlations: Sequence[float]) -> int | None:
    """Place of the first correlation that is within rounding of the highest."""
    known = [value for value in correlations if value == value]
    if not known:
        return None
    return next(place for place, value in enumerate(correlations) if value >= max(known) - 1e-9)
