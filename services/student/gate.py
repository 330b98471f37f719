"""The style gate: does an edited span still sound like the student? Split-conformal on native spans."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from services.student.engines.proxy import ProxyScorer
from services.student.pieces import reasoning_spans
from shared.domain import GateVerdict, Span, StudentProfile
from shared.ports import ScoreRequest
from shared.style import conformal_threshold

# Smallest lengths (tokens) of the buckets with a threshold of their own.
BUCKETS = (1, 2, 4, 7, 11, 16, 24, 40)
# A bucket needs this many native spans; else it shares the threshold of the next shorter one.
ENOUGH = 60
# The statistic is the mean surprisal of the most surprising stretch of this many tokens.
STRETCH = 8


class ConformalGate:
    """Implements `shared.ports.StyleGate` on the cross-fitted proxy.

    The statistic of a span is the largest mean surprisal (nats) of eight successive tokens within it (of all
    its tokens where it is shorter). It passes where that is at most the threshold of its length.
    """

    def __init__(self, proxy: ProxyScorer) -> None:
        self._proxy = proxy

    def judge(self, problem: str, text: str, span: Span, profile: StudentProfile) -> GateVerdict:
        """Verdict on `text[span]` in its place; a span in which no token begins passes, with a reason."""
        ((statistic, tokens),) = self.statistics(problem, text, [span])
        if tokens == 0:
            return GateVerdict(True, 0.0, 0.0, 0, "no token begins in the span")
        threshold = threshold_for(profile.thresholds, tokens)
        if threshold == float("inf"):
            return GateVerdict(True, statistic, 0.0, tokens, "too few native spans of this length")
        return GateVerdict(statistic <= threshold, statistic, threshold, tokens)

    def statistics(self, problem: str, text: str, spans: Sequence[Span]) -> list[tuple[float, int]]:
        """Statistic and number of tokens of each span of one text."""
        scores = self._proxy.score([ScoreRequest(problem, text)])[0]
        starts = [token.start for token in scores.spans]
        found: list[tuple[float, int]] = []
        for span in spans:
            first, last = bisect_right(starts, span.start - 1), bisect_right(starts, span.end - 1)
            found.append((_stretch(scores.surprisals[first:last]), last - first))
        return found

    def calibrate(self, samples: Iterable[tuple[str, str]], alpha: float) -> tuple[tuple[int, float], ...]:
        """Thresholds by length bucket from native (problem, solution) samples."""
        groups: list[list[float]] = [[] for _ in BUCKETS]
        for problem, text in samples:
            for statistic, tokens in self.statistics(problem, text, reasoning_spans(text)):
                if tokens:
                    groups[bisect_right(BUCKETS, tokens) - 1].append(statistic)
        return _thresholds(groups, alpha)


def threshold_for(thresholds: Sequence[tuple[int, float]], tokens: int) -> float:
    """Threshold of the longest bucket that is not longer than the span."""
    place = bisect_right([least for least, _ in thresholds], tokens) - 1
    return thresholds[max(0, place)][1]


def _stretch(surprisals: Sequence[float]) -> float:
    if not surprisals:
        return 0.0
    width = min(STRETCH, len(surprisals))
    return max(sum(surprisals[i : i + width]) for i in range(len(surprisals) - width + 1)) / width


def _thresholds(groups: Sequence[Sequence[float]], alpha: float) -> tuple[tuple[int, float], ...]:
    """One conformal threshold a bucket; buckets with too few spans are joined to their neighbour."""
    joined: list[tuple[int, list[float]]] = []
    for least, group in zip(BUCKETS, groups, strict=True):
        if joined and (len(group) < ENOUGH or len(joined[-1][1]) < ENOUGH):
            joined[-1][1].extend(group)
        else:
            joined.append((least, list(group)))
    if len(joined) > 1 and len(joined[-1][1]) < ENOUGH:
        joined[-2][1].extend(joined.pop()[1])
    return tuple((least, conformal_threshold(group, alpha)) for least, group in joined)
