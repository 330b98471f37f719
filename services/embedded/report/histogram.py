"""A histogram that is filled one value at a time and never grows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Histogram:
    """Counts in `bins` equal bins of ``[low, high]``; values beyond count in the first or last bin.

    Attributes:
        count: number of values. total: their sum, unclipped.
    """

    low: float
    high: float
    bins: int
    counts: list[int] = field(default_factory=list)
    count: int = 0
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * self.bins

    def add(self, value: float) -> None:
        """Count one value."""
        place = int((value - self.low) / self.width)
        self.counts[max(0, min(self.bins - 1, place))] += 1
        self.count += 1
        self.total += value

    @property
    def width(self) -> float:
        """Width of a bin."""
        return (self.high - self.low) / self.bins

    @property
    def mean(self) -> float | None:
        """Mean of the values, None where there are none."""
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """The value below which `share` of the values lie, to within a bin's width; None where none."""
        wanted, seen = share * self.count, 0
        for place, count in enumerate(self.counts):
            if count and seen + count >= wanted:
                inside = (wanted - seen) / count
                return self.low + (place + inside) * self.width
            seen += count
        return None

    def coarse(self, bins: int) -> list[int]:
        """The counts in fewer, wider bins; `bins` divides the number of bins."""
        each = self.bins // bins
        return [sum(self.counts[i * each : (i + 1) * each]) for i in range(bins)]
