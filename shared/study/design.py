"""The smallest difference that a study's design can detect, stated before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

# Two-sided 5 %, power 80 %: the sum of the two normal quantiles.
DETECTION = 1.96 + 0.8416


@dataclass(frozen=True, slots=True)
class Design:
    """What is assumed of the figures that are not known yet.

    Attributes:
        accuracy: share of right answers; .5 is the worst case.
        seed_sd: standard deviation of accuracy between trainings that differ in their seed alone.
        problem_sd: standard deviation, over problems, of the true difference between two arms.
    """

    accuracy: float = 0.5
    seed_sd: float = 0.02
    problem_sd: float = 0.25

    def standard_error(self, problems: int, samples: int, seeds: int, cells: int = 1) -> float:
        """Of the difference between two arms, paired by problem; `cells` are students times draws."""
        runs = seeds * cells
        sampling = 2 * self.accuracy * (1 - self.accuracy) / (problems * samples * runs)
        training = 2 * self.seed_sd**2 / runs
        return sqrt(sampling + training + self.problem_sd**2 / problems)

    def detectable(self, problems: int, samples: int, seeds: int, cells: int = 1) -> float:
        """The smallest true difference found in 80 % of such studies at a two-sided level of 5 %."""
        return DETECTION * self.standard_error(problems, samples, seeds, cells)
