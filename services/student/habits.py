"""Does a text, or a stretch of it, keep the student's habits of wording and of order?

Three measures, each in standard deviations from the student's own: the mean surprisal of the tokens (nats,
proxy); the share of numbers that come from nowhere, neither from the problem nor from a result before (steps
out of order use what isn't derived yet); and the mean distance of the rates of the student's most frequent
words and signs from the usual (Burrows's Delta), which sees that words are missing. The statistic is the sum
of what exceeds zero in each, with a conformal threshold.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, pstdev

from services.student.engines.proxy import ProxyScorer, Reading
from services.student.gate import WITHIN_CLASS
from services.student.pieces import reasoning_spans
from shared.domain import Span
from shared.style import conformal_threshold

FREQUENT = 40
Sample = tuple[str, str]
Pieces = Callable[[str], Sequence[Span]]
Measures = tuple[float, float, float]
Rates = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class HabitCheck:
    """Judges texts, or stretches of them, against a student's habits.

    Attributes:
        proxy: the student's proxy. rates: mean and deviation of the rate of each frequent symbol; empty where
            the third measure isn't asked.
        moments: mean and deviation of each measure on native pieces. threshold: conformal, at the level.
    """

    proxy: ProxyScorer
    rates: Rates
    moments: tuple[tuple[float, float], ...]
    threshold: float

    @classmethod
    def of_texts(cls, proxy: ProxyScorer, samples: Sequence[Sample], alpha: float) -> HabitCheck:
        """Check of whole texts at level `alpha`, on the samples that the proxy was cross-fitted on."""
        names = [proxy.read(problem, text).symbols.names for problem, text in samples]
        return cls._fit(proxy, samples, alpha, lambda text: (Span(0, len(text)),), _rates(names))

    @classmethod
    def of_neighbours(cls, proxy: ProxyScorer, samples: Sequence[Sample], alpha: float) -> HabitCheck:
        """Check of two successive steps, by their order alone (wording is left out)."""
        return cls._fit(proxy, samples, alpha, neighbours, {})

    @classmethod
    def _fit(
        cls, proxy: ProxyScorer, samples: Sequence[Sample], alpha: float, pieces: Pieces, rates: Rates
    ) -> HabitCheck:
        measured = [
            _measure(proxy.read(problem, text), span, rates)
            for problem, text in samples
            for span in pieces(text)
        ]
        moments = tuple((fmean(column), pstdev(column) or 1.0) for column in zip(*measured, strict=True))
        threshold = conformal_threshold([_combine(row, moments) for row in measured], alpha)
        return cls(proxy, rates, moments, threshold)

    def statistic(self, problem: str, text: str, span: Span) -> float:
        """How far `text[span]` is from the student's habits; 0 is as usual, higher is stranger."""
        return _combine(_measure(self.proxy.read(problem, text), span, self.rates), self.moments)


def neighbours(text: str) -> tuple[Span, ...]:
    """Every stretch from one reasoning step to the end of the next."""
    steps = reasoning_spans(text)
    return tuple(Span(first.start, second.end) for first, second in pairwise(steps))


def _combine(measures: Measures, moments: Sequence[tuple[float, float]]) -> float:
    parts = zip(measures, moments, strict=True)
    return sum(max(0.0, (value - mean) / deviation) for value, (mean, deviation) in parts)


def _measure(reading: Reading, span: Span, rates: Rates) -> Measures:
    starts = (0, *reading.symbols.ends)
    first, last = bisect_left(starts, span.start), bisect_left(starts, span.end)
    names = reading.symbols.names[first:last]
    if not names:
        return 0.0, 0.0, 0.0
    parts = zip(reading.surprisals[first:last], reading.symbols.extra[first:last], strict=True)
    surprisal = fmean(surprisal + min(extra, WITHIN_CLASS) for surprisal, extra in parts)
    return surprisal, _orphans(names), _delta(names, rates)


def _orphans(names: Sequence[str]) -> float:
    """Share of numbers that are new and do not stand behind an equals sign."""
    numbers = [place for place, name in enumerate(names) if name.lstrip().startswith("@1")]
    orphans = [
        place
        for place in numbers
        if names[place].endswith("new") and not any("=" in name for name in names[max(0, place - 3) : place])
    ]
    return len(orphans) / max(1, len(numbers))


def _delta(names: Sequence[str], rates: Rates) -> float:
    counts = Counter(names)
    distances = (abs(counts[name] / len(names) - mean) / spread for name, (mean, spread) in rates.items())
    return fmean(distances) if rates else 0.0


def _rates(sequences: Sequence[Sequence[str]]) -> Rates:
    """Mean and deviation, over texts, of the rates of the most frequent symbols."""
    texts = [Counter(names) for names in sequences if names]
    total: Counter[str] = Counter()
    for counts in texts:
        total.update(counts)
    frequent = sorted(total, key=lambda name: (-total[name], name))[:FREQUENT]
    rates: Rates = {}
    for name in frequent:
        shares = [counts[name] / counts.total() for counts in texts]
        rates[name] = (fmean(shares), pstdev(shares) or 1.0)
    return rates
