"""Figures of the texts with intervals over problems, the same resampled problems for all arms."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, fsum, nan
from typing import Any

from services.pipeline.study.analysis.draws import interval
from shared.bootstrap import Interval

RESAMPLES = 1000

Score = Mapping[str, Any]
"""A text's sums as the stage ``score`` keeps them: nll, tokens, ranks, quarters of (nll, tokens)."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure of an arm: sum of one thing over its texts, by the sum of another.

    Attributes:
        name: of the figure. above, below: of each text. logged: whether the figure is exp of the ratio, and
            arms are compared by the difference of the ratios themselves.
    """

    name: str
    above: tuple[float, ...]
    below: tuple[float, ...]
    logged: bool = False

    def at(self, places: Sequence[int]) -> float:
        """The ratio over the texts at these places; NaN where nothing stands below."""
        below = fsum(self.below[place] for place in places)
        return fsum(self.above[place] for place in places) / below if below else nan


@dataclass(frozen=True)
class Spreads:
    """Figures of several arms; place i of every arm is the same problem.

    Intervals are 95 % percentile bootstrap over problems.
    """

    arms: Mapping[str, Sequence[Score]]
    seed: int = 0

    def of(self, arm: str) -> dict[str, Interval]:
        """The figures of an arm: ppl, q1 to q4 (perplexities), rsr, tokens (a text)."""
        return {ratio.name: self._figure(ratio) for ratio in ratios(self.arms[arm])}

    def difference(self, first: str, second: str) -> dict[str, Interval]:
        """`first` minus `second`, paired by problem; for perplexities the difference of their logs."""
        pairs = zip(ratios(self.arms[first]), ratios(self.arms[second]), strict=True)
        return {one.name: self._apart(one, other) for one, other in pairs}

    @cached_property
    def _whole(self) -> range:
        return range(min((len(scores) for scores in self.arms.values()), default=0))

    @cached_property
    def _draws(self) -> list[list[int]]:
        draw = random.Random(f"{self.seed}:texts")
        return [draw.choices(self._whole, k=len(self._whole)) for _ in range(RESAMPLES)]

    def _figure(self, ratio: Ratio) -> Interval:
        shown = exp if ratio.logged else float
        resampled = [shown(ratio.at(places)) for places in self._draws]
        return interval(shown(ratio.at(self._whole)), resampled, len(self._whole))

    def _apart(self, one: Ratio, other: Ratio) -> Interval:
        resampled = [one.at(places) - other.at(places) for places in self._draws]
        return interval(one.at(self._whole) - other.at(self._whole), resampled, len(self._whole))


def ratios(scores: Sequence[Score]) -> list[Ratio]:
    """The figures of an arm's texts."""
    nll = tuple(float(score["nll"]) for score in scores)
    tokens = tuple(float(score["tokens"]) for score in scores)
    ranks = tuple(float(score["ranks"]) for score in scores)
    quarters = [_quarter(scores, place) for place in range(4)]
    whole = Ratio("ppl", nll, tokens, logged=True)
    return [whole, *quarters, Ratio("rsr", ranks, nll), Ratio("tokens", tokens, (1.0,) * len(scores))]


def _quarter(scores: Sequence[Score], place: int) -> Ratio:
    nll, tokens = ([float(score["quarters"][place][part]) for score in scores] for part in (0, 1))
    return Ratio(f"q{place + 1}", tuple(nll), tuple(tokens), logged=True)
