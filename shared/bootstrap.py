"""Percentile bootstrap intervals, reproducible by seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, nan

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its percentile bootstrap interval; NaN throughout where there are no values.

    Attributes:
        mean: of the values. low, high: ends of the interval. n: number of values.
    """

    mean: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """JSON-ready; NaN becomes None."""
        figures = {"mean": self.mean, "low": self.low, "high": self.high}
        return {**{k: None if v != v else round(v, 4) for k, v in figures.items()}, "n": self.n}


def mean_interval(values: Sequence[float], level: float = 0.95, seed: int = 0) -> Interval:
    """Mean of `values` and its interval over resampled values (Efron's percentile method).

    For paired data give the differences, for clustered data one value a cluster.
    """
    count = len(values)
    if not count:
        return Interval(nan, nan, nan, 0)
    draw = random.Random(seed)
    means = sorted(fsum(draw.choices(values, k=count)) / count for _ in range(RESAMPLES))
    cut = int((1 - level) / 2 * RESAMPLES)
    return Interval(fsum(values) / count, means[cut], means[-1 - cut], count)
