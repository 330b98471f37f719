"""The native band: how surprising a student's own tokens are, at the 95th percentile, by quarter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.domain import NativeBand
from shared.style.quarters import PARTS, quarter_bounds

PERCENTILE = 0.95
# Surprisals are counted in bins of this width (nats), so that a fit needs no memory per token.
BIN = 1e-3
CEILING = 64.0


class BandFit:
    """Collects the surprisals of native texts, quarter by quarter, in bounded memory.

    Percentiles are exact to within one bin of 0.001 nats. Texts of fewer than four tokens have no
    quarters and are left out.
    """

    def __init__(self) -> None:
        self._bins: tuple[dict[int, int], ...] = tuple({} for _ in range(PARTS))

    def add(self, surprisals: Sequence[float]) -> None:
        """Take in the surprisals (nats) of one native text."""
        for bins, (start, end) in zip(self._bins, quarter_bounds(len(surprisals)), strict=False):
            for value in surprisals[start:end]:
                slot = int(min(max(value, 0.0), CEILING) / BIN)
                bins[slot] = bins.get(slot, 0) + 1

    def band(self) -> NativeBand:
        """The band so far; a quarter without tokens gets an infinite band, so nothing exceeds it."""
        first, second, third, fourth = (_percentile(bins) for bins in self._bins)
        return NativeBand((first, second, third, fourth))


def fit_band(texts: Iterable[Sequence[float]]) -> NativeBand:
    """Native band of the surprisals (nats) of many native texts, read once."""
    fit = BandFit()
    for surprisals in texts:
        fit.add(surprisals)
    return fit.band()


def excess(surprisals: Sequence[float], band: NativeBand) -> list[float]:
    """``max(0, surprisal - band)`` of every token of one whole text, in nats."""
    length = len(surprisals)
    return [max(0.0, value - band.at(index, length)) for index, value in enumerate(surprisals)]


def _percentile(bins: dict[int, int]) -> float:
    """Upper edge of the bin that holds the 95th percentile; infinity for no counts."""
    wanted = PERCENTILE * sum(bins.values())
    seen = 0
    for slot in sorted(bins):
        seen += bins[slot]
        if seen >= wanted:
            return round((slot + 1) * BIN, 6)
    return float("inf")
