"""From features to a probability for each step of being the first wrong one.

A conditional logit: ``p(step) = exp(weights . features(step)) / sum over steps``. There are two weight
vectors, one for word problems with worked arithmetic and one for formal mathematics.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

WEIGHTS = "weights.json"


@cache
def weights() -> dict[str, Any]:
    """``{"provenance": {...}, "worded": {name: weight}, "formal": {name: weight}}``."""
    text = files(__package__).joinpath(WEIGHTS).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def weights_for(formal: bool) -> dict[str, float]:
    """The weight vector for one kind of problem."""
    chosen: dict[str, float] = weights()["formal" if formal else "worded"]
    return chosen


def probabilities(rows: Sequence[Mapping[str, float]], chosen: Mapping[str, float]) -> list[float]:
    """Softmax over steps; a feature without a weight counts nothing."""
    scores = [sum(chosen.get(name, 0.0) * value for name, value in row.items()) for row in rows]
    top = max(scores, default=0.0)
    raised = [math.exp(score - top) for score in scores]
    total = sum(raised)
    return [value / total for value in raised]
