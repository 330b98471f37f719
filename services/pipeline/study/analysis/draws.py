"""Bootstrap over cells, seeds and problems at once, the same problems for all that is compared.

A resample draws cells (a student on a draw of problems) with replacement, within each chosen cell seeds, and
for all of them problems of the evaluation. Cells and problems are drawn jointly for all arms, so differences
are paired by problem; seeds are drawn for each arm by itself, because trainings of two arms have no noise in
common. With S seeds the bootstrap understates the noise between trainings by about the factor
sqrt((S - 1) / S); cells likewise.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from math import fsum, nan

from shared.bootstrap import Interval

RESAMPLES = 2000
LEVEL = 0.95

Cells = Sequence[Sequence[Sequence[float]]]
"""Accuracy by cell, seed and problem: share of a problem's samples that are right, 0..1."""


class Draws:
    """The resamples of one study; equal arguments give equal resamples."""

    def __init__(self, problems: int, cells: int, times: int = RESAMPLES, seed: int = 0) -> None:
        self.problems, self.cells, self.times, self.seed = problems, cells, times, seed

    def means(self, name: str, values: Cells) -> list[float]:
        """Mean accuracy of each resample; `name` starts the random choice of seeds."""
        by_run = [[self._over_problems(run) for run in seeds] for seeds in values]
        draw = random.Random(f"{self.seed}:{name}")
        return [self._mean(by_run, time, draw) for time in range(self.times)]

    @cached_property
    def _problem_draws(self) -> list[list[int]]:
        draw = random.Random(f"{self.seed}:problems")
        return [draw.choices(range(self.problems), k=self.problems) for _ in range(self.times)]

    @cached_property
    def _cell_draws(self) -> list[list[int]]:
        draw = random.Random(f"{self.seed}:cells")
        return [draw.choices(range(self.cells), k=self.cells) for _ in range(self.times)]

    def _over_problems(self, run: Sequence[float]) -> list[float]:
        at = run.__getitem__
        return [sum(map(at, chosen)) / self.problems for chosen in self._problem_draws]

    def _mean(self, by_run: list[list[list[float]]], time: int, draw: random.Random) -> float:
        found = []
        for cell in self._cell_draws[time]:
            seeds = by_run[cell]
            found += [run[time] for run in draw.choices(seeds, k=len(seeds))]
        return fsum(found) / len(found)


def mean_of(values: Cells) -> float:
    """Mean over cells, seeds and problems."""
    runs = [fsum(run) / len(run) for seeds in values for run in seeds]
    return fsum(runs) / len(runs)


def interval(estimate: float, resampled: Sequence[float], n: int) -> Interval:
    """Percentile interval around an estimate; resamples in which it is undefined (NaN) are left out."""
    ordered = sorted(value for value in resampled if value == value)
    if not ordered or estimate != estimate:
        return Interval(estimate, nan, nan, n)
    cut = int((1 - LEVEL) / 2 * len(ordered))
    return Interval(estimate, ordered[cut], ordered[-1 - cut], n)
