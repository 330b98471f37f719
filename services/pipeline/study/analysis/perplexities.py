"""The difference between the perplexities of two arms, paired by problem."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import fsum

from services.pipeline.study.analysis.draws import interval
from shared.bootstrap import Interval
from shared.style.perplexity import Loss

RESAMPLES = 1000


def log_ratio(first: Sequence[Loss], second: Sequence[Loss], seed: int = 0) -> Interval:
    """Nats a token of `first` minus those of `second` (the log of the ratio of their perplexities).

    Both are weighted by token. The interval is a 95 % percentile bootstrap over problems; place i of both is
    the same problem.
    """
    draw = random.Random(f"{seed}:perplexities")
    places = range(len(first))
    chosen = (draw.choices(places, k=len(places)) for _ in range(RESAMPLES))
    resampled = [_mean(first, places) - _mean(second, places) for places in chosen]
    return interval(_mean(first, places) - _mean(second, places), resampled, len(first))


def _mean(losses: Sequence[Loss], places: Sequence[int]) -> float:
    tokens = sum(losses[place].tokens for place in places)
    return fsum(losses[place].nll for place in places) / tokens if tokens else float("nan")
