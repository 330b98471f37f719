"""The figures of one model on one set: Avg@k with its interval, pass@k, maj@k, and what stands beside them.

All are computed from counts per problem, so texts may stream by. Intervals are 95 % percentile bootstrap
intervals over problems, reproducible by seed: problems are drawn again, samples within one are not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

from shared.bootstrap import Interval, mean_interval
from shared.domain import Graded
from shared.evaluation.tally import ProblemTally, tallies

DEFINITIONS = {
    "avg": "Avg@k: mean over problems of the share of k samples that are right; undecided is not right",
    "pass": "pass@j: mean over problems of 1 - C(k - right, j) / C(k, j)",
    "maj": "maj@k: share of problems whose most frequent answer is right; right answers are one answer, "
    "others are equal where number or text is; ties are split evenly",
    "interval": "95 % percentile bootstrap over problems, 2000 resamples, seed 0",
    "truncated": "share of samples that a limit cut off",
    "tokens": "mean new tokens a sample",
}
NOTHING = "no problems were graded"


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One row of a table.

    Attributes:
        problems, samples: how many in all. average: Avg@k. majority: maj@k; NaN without problems.
        undecided, truncated: shares of the samples. tokens: mean a sample. All NaN without problems.
    """

    problems: int
    samples: int
    average: Interval
    majority: float
    undecided: float
    truncated: float
    tokens: float

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; what is not a number is null."""
        return {
            "problems": self.problems,
            "samples": self.samples,
            "avg": self.average.to_json(),
            "maj": _number(self.majority),
            "undecided": _number(self.undecided),
            "truncated": _number(self.truncated),
            "tokens": _number(self.tokens, 1),
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of one model on one set.

    Attributes:
        k: samples a problem, 0 without problems. whole: the figures of the whole set.
        passes: pass@j with intervals, by j: powers of two up to k, and k.
        majority: maj@k with its interval.
        undecided: samples that are undecided, by reason. tables: by group and value of the group.
    """

    k: int
    whole: GroupFigures
    passes: Mapping[int, Interval]
    majority: Interval
    undecided: Mapping[str, int] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, GroupFigures]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, with definitions; `reason` says why figures are null where they are."""
        tables = {
            name: {value: row.to_json() for value, row in rows.items()} for name, rows in self.tables.items()
        }
        reason = {} if self.whole.problems else {"reason": NOTHING}
        return {
            "k": self.k,
            **self.whole.to_json(),
            "maj": self.majority.to_json(),
            "pass": {str(at): interval.to_json() for at, interval in self.passes.items()},
            "undecided_by_reason": dict(self.undecided),
            "tables": tables,
            "definitions": DEFINITIONS,
            **reason,
        }


def summary(graded: Iterable[Graded], seed: int = 0) -> Summary:
    """Figures of what was graded; the order of the problems doesn't matter.

    Raises FieldError where a problem comes twice or has no samples, or where k is not the same throughout.
    """
    return summary_of(tallies(graded), seed)


def summary_of(found: Sequence[ProblemTally], seed: int = 0) -> Summary:
    """As `summary`, from counts."""
    k = found[0].samples if found else 0
    reasons: Counter[str] = Counter()
    for one in found:
        reasons.update(one.undecided)
    return Summary(
        k=k,
        whole=_row(found, seed),
        passes={at: mean_interval([one.passes(at) for one in found], seed=seed) for at in _depths(k)},
        majority=mean_interval([one.majority for one in found], seed=seed),
        undecided=dict(sorted(reasons.items())),
        tables=_tables(found, seed),
    )


def _depths(k: int) -> list[int]:
    powers = [1 << place for place in range(k.bit_length())]
    return sorted({*powers, k} - {0})


def _tables(found: Sequence[ProblemTally], seed: int) -> dict[str, dict[str, GroupFigures]]:
    """Problems that don't name a group are left out of its table."""
    cut: defaultdict[str, defaultdict[str, list[ProblemTally]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        for name, value in one.groups.items():
            cut[name][value].append(one)
    return {
        name: {value: _row(cut[name][value], seed) for value in sorted(cut[name])} for name in sorted(cut)
    }


def _row(found: Sequence[ProblemTally], seed: int) -> GroupFigures:
    samples = sum(one.samples for one in found)
    return GroupFigures(
        problems=len(found),
        samples=samples,
        average=mean_interval([one.accuracy for one in found], seed=seed),
        majority=_share(sum(one.majority for one in found), len(found)),
        undecided=_share(sum(sum(one.undecided.values()) for one in found), samples),
        truncated=_share(sum(one.truncated for one in found), samples),
        tokens=_share(sum(one.tokens for one in found), samples),
    )


def _share(part: float, whole: int) -> float:
    return part / whole if whole else nan


def _number(value: float, digits: int = 4) -> float | None:
    return None if value != value else round(value, digits)
