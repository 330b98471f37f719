"""Compares the speed of two ways to do the same work: in turns, with an interval of the median ratio.

A machine that is shared drifts over minutes. Sides that take turns drift together, so the ratio within a pair
is worth more than the two totals.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

from shared.bootstrap import RESAMPLES

PAIRS = 5

Work = Callable[[], float | None]
AsyncWork = Callable[[], Awaitable[float | None]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How fast one side is, measured in the other's speed.

    Attributes:
        ours, rival: work a second of each pass, in order; the warm-up is not among them.
    """

    ours: tuple[float, ...]
    rival: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Speed of ours over speed of the rival, pair by pair; above 1 is faster."""
        return tuple(one / other for one, other in zip(self.ours, self.rival, strict=True))

    @property
    def value(self) -> float:
        """The median ratio."""
        return median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % percentile bootstrap interval of the median ratio over resampled pairs."""
        return median_interval(self.ratios)

    def last_line(self, name: str, unit: str, bar: float | None, **extra: object) -> str:
        """What a benchmark prints at the end; within its bar where the median ratio reaches it."""
        low, high = self.interval
        ok = bar is None or self.value >= bar
        figures = {"name": name, "value": round(self.value, 3), "unit": unit, "bar": bar, "ok": ok}
        spread = {"low": round(low, 3), "high": round(high, 3), "pairs": len(self.ratios)}
        return json.dumps({**figures, **spread, **extra})


def compare(ours: Work, rival: Work, pairs: int = PAIRS, *, warm_up: bool = True) -> Comparison:
    """Run both in turns after one warm-up each; where a pass is long, warm up on less and say so here.

    A side may return how much work it did (tokens, say); None counts as 1, so equal work is assumed.
    """
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(0 if warm_up else 1, pairs + 1):
        for work, kept in zip((ours, rival), rates, strict=True):
            begin = time.perf_counter()
            done = work()
            _keep(kept, done, time.perf_counter() - begin, warm=number > 0)
    return Comparison(tuple(rates[0]), tuple(rates[1]))


async def compare_async(ours: AsyncWork, rival: AsyncWork, pairs: int = PAIRS) -> Comparison:
    """As `compare`, for coroutines that run on the caller's event loop, one side at a time."""
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs + 1):
        for work, kept in zip((ours, rival), rates, strict=True):
            begin = time.perf_counter()
            done = await work()
            _keep(kept, done, time.perf_counter() - begin, warm=number > 0)
    return Comparison(tuple(rates[0]), tuple(rates[1]))


def _keep(kept: list[float], done: float | None, seconds: float, *, warm: bool) -> None:
    if warm:
        kept.append((1.0 if done is None else done) / seconds)


def median_interval(values: tuple[float, ...], level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of the median; of five values, often their smallest and largest."""
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    cut = int((1 - level) / 2 * RESAMPLES)
    return medians[cut], medians[-1 - cut]
