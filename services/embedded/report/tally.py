"""Counts over all records: by file and student, in memory that doesn't grow with the number of records."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

from services.embedded.report.choice import rank
from services.embedded.report.histogram import Histogram
from services.embedded.report.shape import Record, untouched

ACCEPTED = ("repaired", "regenerated")
MOST_POINTS = 400
MOST_REASONS = 100

Point = tuple[float, float, str]


def preserved_histogram() -> Histogram:
    """For shares of preserved characters, 0..1."""
    return Histogram(0.0, 1.0, 200)


def drift_histogram() -> Histogram:
    """For drift in nats a token; nearly all of it lies between -4 and 4."""
    return Histogram(-4.0, 4.0, 320)


@dataclass
class Group:
    """The records of one file and one student.

    Attributes:
        scorers: how many records each scorer (name, label) scored.
        touched: how many records break the guarantee that nothing outside the edits differs.
        consensus: how many gold answers are a consensus of models.
        right_before, right_after: how many answers are right.
        preserved, drift, edit_drift, step_mean: histograms over repaired and regenerated records; the last
            one of nats a token by step, over all scored records, to scale the colours.
        points: (cost, utility, outcome) of some records, chosen by their line; at most `MOST_POINTS`.
        scored: how many records have a utility with a cost.
    """

    file: int
    student: str
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    rewriters: Counter[tuple[str, str]] = field(default_factory=Counter)
    scorers: Counter[tuple[str, str]] = field(default_factory=Counter)
    consensus: int = 0
    touched: int = 0
    right_before: int = 0
    right_after: int = 0
    preserved: dict[str, Histogram] = field(default_factory=dict)
    drift: Histogram = field(default_factory=drift_histogram)
    edit_drift: Histogram = field(default_factory=drift_histogram)
    step_mean: Histogram = field(default_factory=lambda: Histogram(0.0, 12.0, 240))
    points: list[tuple[int, Point]] = field(default_factory=list)
    scored: int = 0
    weight: float | None = None
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of records."""
        return self.outcomes.total()

    @property
    def accepted(self) -> int:
        """Number of repaired and regenerated records."""
        return sum(self.outcomes[outcome] for outcome in ACCEPTED)

    def add(self, record: Record, line: int) -> None:
        """Count one record."""
        outcome = record["outcome"]
        self.outcomes[outcome] += 1
        if record.get("reason") and outcome not in ACCEPTED:
            self._add_reason(outcome, record["reason"])
        self.touched += not untouched(record)
        self._add_answers(record)
        self._add_style(record)
        self._add_utility(record, line)
        if outcome in ACCEPTED:
            self._add_accepted(record)
        self.provenance = self.provenance or provenance_of(record)

    def _add_reason(self, outcome: str, reason: str) -> None:
        known = (outcome, reason) in self.reasons or len(self.reasons) < MOST_REASONS
        self.reasons[outcome, reason if known else "other reasons"] += 1

    def _add_answers(self, record: Record) -> None:
        verdict = record["verdict"]
        self.right_before += verdict["before"]["value"] == "correct"
        self.right_after += verdict["after"]["value"] == "correct"
        self.consensus += verdict["gold_source"] == "consensus"

    def _add_style(self, record: Record) -> None:
        style = record.get("style")
        if not style:
            return
        self.scorers[style["scorer"], style["label"]] += 1
        for step in style["steps"]:
            if step["tokens"]:
                self.step_mean.add(step["nll"] / step["tokens"])

    def _add_utility(self, record: Record, line: int) -> None:
        utility = record.get("utility")
        if not utility or utility["cost"] is None or utility["total"] is None:
            return
        self.scored += 1
        self.weight = utility["lambda"]
        point = (utility["cost"], utility["total"], record["outcome"])
        heapq.heappush(self.points, (-rank(self.file, line), point))
        if len(self.points) > MOST_POINTS:
            heapq.heappop(self.points)

    def _add_accepted(self, record: Record) -> None:
        outcome, style = record["outcome"], record.get("style") or {}
        self.preserved.setdefault(outcome, preserved_histogram()).add(record["preserved"])
        self.rewriters[rewriter_of(record), outcome] += 1
        for name, histogram in (("drift", self.drift), ("edit_drift", self.edit_drift)):
            if style.get(name) is not None:
                histogram.add(style[name])


@dataclass
class Tally:
    """All groups, in the order in which they are first seen."""

    groups: dict[tuple[int, str], Group] = field(default_factory=dict)

    def add(self, file: int, line: int, record: Record) -> None:
        """Count one record of one file."""
        student = student_of(record)
        group = self.groups.setdefault((file, student), Group(file, student))
        group.add(record, line)

    @property
    def outcomes(self) -> Counter[str]:
        """Records by outcome, over all groups."""
        return sum((group.outcomes for group in self.groups.values()), Counter())

    @property
    def size(self) -> int:
        """Number of records."""
        return self.outcomes.total()


def student_of(record: Record) -> str:
    """The profile that a record was judged by."""
    style = record.get("style") or {}
    return str(style.get("student") or record["provenance"].get("profile") or "no profile")


def rewriter_of(record: Record) -> str:
    """The rewriters whose edits were taken, usually one."""
    return " + ".join(sorted({edit["rewriter"] for edit in record["edits"]})) or "none"


def provenance_of(record: Record) -> dict[str, str]:
    """The part of a record's provenance that is the same for its whole run, as text."""
    given = record["provenance"]
    engines = given.get("engines") or {}
    return {
        **{
            key: str(given[key])
            for key in ("config", "code", "profile", "seed")
            if given.get(key) is not None
        },
        **{f"engine {name}": str(engine) for name, engine in sorted(engines.items())},
    }
