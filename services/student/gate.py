"""The style gate: does an edited span still sound like the student? Split-conformal on native spans."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from services.student.contrast import Contrast
from services.student.engines.proxy import ProxyScorer, Reading
from services.student.pieces import reasoning_spans, short_windows
from shared.domain import GateVerdict, Span, StudentProfile
from shared.errors import InputError
from shared.style import conformal_threshold

# Smallest lengths (tokens) of the buckets with a threshold of their own.
BUCKETS = (1, 2, 4, 7, 12, 18, 26)
# A bucket needs this many native spans; else it is joined to a neighbour.
ENOUGH = 60
# Nats that a choice within an open class may add to a token, so that no single odd word decides.
WITHIN_CLASS = 30.0
# Shorter spans say nothing by their letters and are judged by their surprisal alone.
CONTRAST_FROM = 7
# How much a deviation of the log-odds counts against one of the surprisal.
CONTRAST_WEIGHT = 1.3
Pieces = Callable[[str], Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Units:
    """Mean and deviation of the two measures on native steps: surprisal (nats a token) and log-odds."""

    surprisal: tuple[float, float] = (0.0, 1.0)
    odds: tuple[float, float] = (0.0, 1.0)

    def statistic(self, surprisal: float, odds: float | None) -> float:
        """Weighted sum of both in deviations from native; without log-odds the first stands for both."""
        first = (surprisal - self.surprisal[0]) / self.surprisal[1]
        second = first if odds is None else (odds - self.odds[0]) / self.odds[1]
        return first + CONTRAST_WEIGHT * second


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured on a span: mean surprisal of its tokens (nats), log-odds (None: too short), tokens."""

    surprisal: float
    odds: float | None
    tokens: int


class ConformalGate:
    """Implements `shared.ports.StyleGate` on the cross-fitted proxy and the contrast to other authors.

    The statistic of a span adds two measures, each in standard deviations from the mean of native steps: the
    mean surprisal of its tokens in their place, and the log-odds that its words are another author's. A span
    passes where that is at most the conformal threshold of its length.
    """

    def __init__(self, proxy: ProxyScorer, contrast: Contrast, units: Units) -> None:
        self.contrast = contrast
        self.units = units
        self._proxy = proxy

    @classmethod
    def fit(cls, proxy: ProxyScorer, samples: Sequence[tuple[str, str]]) -> ConformalGate:
        """Gate on native (problem, solution) samples, those that the proxy was fitted on."""
        gate = cls(proxy, Contrast.fit(samples), Units())
        steps = [one for one in gate._native(samples, reasoning_spans) if one.odds is not None]
        gate.units = Units(
            _moments([one.surprisal for one in steps]),
            _moments([one.odds for one in steps if one.odds is not None]),
        )
        return gate

    def judge(self, problem: str, text: str, span: Span, profile: StudentProfile) -> GateVerdict:
        """Verdict on `text[span]` in its place; a span in which no token begins passes, with a reason."""
        measured = self.measure(problem, text, [span])[0]
        if measured.tokens == 0:
            return GateVerdict(True, 0.0, 0.0, 0, "no token begins in the span")
        statistic = self.statistic(measured)
        threshold = threshold_for(profile.thresholds, measured.tokens)
        return GateVerdict(statistic <= threshold, statistic, threshold, measured.tokens)

    def statistic(self, measured: Measured) -> float:
        """The statistic that is compared with the threshold; higher is more foreign."""
        return self.units.statistic(measured.surprisal, measured.odds)

    def measure(self, problem: str, text: str, spans: Sequence[Span]) -> list[Measured]:
        """Both measures of each span of one text."""
        reading = self._proxy.read(problem, text)
        parts = zip(reading.surprisals, reading.symbols.extra, strict=True)
        capped = [surprisal + min(extra, WITHIN_CLASS) for surprisal, extra in parts]
        return [self._measure_span(problem, text, span, reading, capped) for span in spans]

    def calibrate(self, samples: Sequence[tuple[str, str]], alpha: float) -> tuple[tuple[int, float], ...]:
        """Thresholds by length bucket from native samples: their steps, and short stretches within them."""
        groups: list[list[float]] = [[] for _ in BUCKETS]
        for pieces in (reasoning_spans, short_windows):
            for measured in self._native(samples, pieces):
                groups[bisect_right(BUCKETS, measured.tokens) - 1].append(self.statistic(measured))
        return _thresholds(groups, alpha)

    def _native(self, samples: Iterable[tuple[str, str]], pieces: Pieces) -> Iterator[Measured]:
        for problem, text in samples:
            for measured in self.measure(problem, text, pieces(text)):
                if measured.tokens:
                    yield measured

    def _measure_span(
        self, problem: str, text: str, span: Span, reading: Reading, capped: Sequence[float]
    ) -> Measured:
        starts = (0, *reading.symbols.ends[:-1])
        first, last = bisect_left(starts, span.start), bisect_left(starts, span.end)
        if not text or first == last:
            return Measured(0.0, None, 0)
        odds = self.contrast.log_odds(problem, span.of(text)) if last - first >= CONTRAST_FROM else None
        return Measured(fmean(capped[first:last]), odds, last - first)


def threshold_for(thresholds: Sequence[tuple[int, float]], tokens: int) -> float:
    """Threshold of the longest bucket that is not longer than the span."""
    place = bisect_right([least for least, _ in thresholds], tokens) - 1
    return thresholds[max(0, place)][1]


def _moments(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return 0.0, 1.0
    return round(fmean(values), 9), round(pstdev(values), 9) or 1.0


def _thresholds(groups: Sequence[Sequence[float]], alpha: float) -> tuple[tuple[int, float], ...]:
    """One conformal threshold a bucket; short and long spans, whose statistics differ, are never joined."""
    cut = BUCKETS.index(CONTRAST_FROM)
    enough = max(ENOUGH, math.ceil(1 / alpha))
    joined = [*_joined(BUCKETS[:cut], groups[:cut], enough), *_joined(BUCKETS[cut:], groups[cut:], enough)]
    for least, group in joined:
        if len(group) + 1 < 1 / alpha:
            raise InputError(
                f"{len(group)} native spans of {least} and more tokens are too few for alpha {alpha}; "
                "give more samples or a larger alpha"
            )
    return tuple((least, round(conformal_threshold(group, alpha), 9)) for least, group in joined)


def _joined(
    buckets: Sequence[int], groups: Sequence[Sequence[float]], enough: int
) -> list[tuple[int, list[float]]]:
    """Buckets with too few spans joined to their shorter neighbour, the first one to its longer."""
    joined: list[tuple[int, list[float]]] = []
    for least, group in zip(buckets, groups, strict=True):
        if joined and (len(group) < enough or len(joined[-1][1]) < enough):
            joined[-1][1].extend(group)
        else:
            joined.append((least, list(group)))
    if len(joined) > 1 and len(joined[-1][1]) < enough:
        joined[-2][1].extend(joined.pop()[1])
    return joined
