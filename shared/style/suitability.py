"""The rank-surprisal ratio (arXiv 2601.14249): is a text both informative and familiar?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from shared.domain import TokenScores

RANK_CAP = 100


def capped_ranks(ranks: Sequence[int]) -> float:
    """Sum of ``min(rank, 100)``; NaN where a rank is unknown (0)."""
    return math.nan if 0 in ranks else sum(min(rank, RANK_CAP) for rank in ranks)


def rank_surprisal_ratio(scores: TokenScores) -> float:
    """``sum of min(rank, 100) / sum of surprisals``; lower is better suited.

    NaN where the surprisals add up to nothing (no tokens, or a text the model is certain of), and where a
    rank is unknown.
    """
    nll = math.fsum(scores.surprisals)
    return capped_ranks(scores.ranks) / nll if nll > 0 else math.nan
