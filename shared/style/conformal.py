"""Split-conformal thresholds: an error rate that holds for any statistic, without assumptions on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def conformal_threshold(statistics: Sequence[float], alpha: float) -> float:
    """The ``ceil((n + 1) * (1 - alpha))``-th smallest of n calibration statistics.

    A new exchangeable statistic exceeds it with probability at most `alpha`. Infinity where n is too
    small for that promise (n < 1 / alpha - 1). Raises ValueError for alpha outside (0, 1) and for NaN.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}, which isn't between 0 and 1")
    if any(math.isnan(value) for value in statistics):
        raise ValueError("a calibration statistic is NaN")
    # In decimal fractions: 0.95 * 20 must be 19 and not 19.000000000000004.
    rank = math.ceil((len(statistics) + 1) * (1 - Fraction(str(alpha))))
    return sorted(statistics)[rank - 1] if rank <= len(statistics) else math.inf
