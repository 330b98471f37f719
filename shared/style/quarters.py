"""The four quarters of a text: contiguous parts of its tokens, as equal in size as can be."""

from __future__ import annotations

from itertools import pairwise

PARTS = 4


def quarter_bounds(tokens: int) -> tuple[tuple[int, int], ...]:
    """Half-open token ranges of the four quarters; empty where there are fewer than four tokens.

    Sizes differ by at most one. Token ``i`` lies in quarter ``4 * i // tokens``, the same cut that
    `NativeBand.at` makes.
    """
    if tokens < PARTS:
        return ()
    cuts = [-(-part * tokens // PARTS) for part in range(PARTS + 1)]
    return tuple(pairwise(cuts))
