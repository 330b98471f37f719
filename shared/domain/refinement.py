"""What comes out: edits, their worth, and the refinement as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.judgement import Diagnosis, Verdict
from shared.domain.style import GateVerdict, StyleLedger
from shared.domain.trajectory import Span, Trajectory


@dataclass(frozen=True, slots=True)
class Edit:
    """One declared change: `before` stood at `span` of the native text and `after` replaces it.

    Attributes:
        author: who wrote `after`: ``rules``, ``student``, ``oracle:<model>`` or ``reference``.
        rewriter: name of the rewriter that proposed it.
    """

    span: Span
    before: str
    after: str
    author: str
    rewriter: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposal of one rewriter: edits in ascending order, disjoint, against the native text.

    Attributes:
        edits: at least one.
        rewriter: its name.
        touched: indices of native steps that the edits change, drop or extend.
        note: one readable line on what was done.
    """

    edits: tuple[Edit, ...]
    rewriter: str
    touched: tuple[int, ...]
    note: str = ""


class Outcome(StrEnum):
    """How a trajectory ended."""

    KEPT = "kept"
    REPAIRED = "repaired"
    REGENERATED = "regenerated"
    REJECTED = "rejected"
    UNDECIDED = "undecided"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Utility:
    """``total = benefit - weight * cost``.

    Attributes:
        benefit: correctness after minus before (correctness: 1, 1/2 or 0).
        cost: sum over refined tokens of max(0, surprisal - band) / native tokens; None unscorable.
        weight: lambda.
        total: None where cost is None and weight > 0.
    """

    benefit: float
    cost: float | None
    weight: float
    total: float | None


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate that was not taken, and why."""

    rewriter: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refinement:
    """The committed result for one trajectory.

    `refined` equals the native text with `edits` applied. `before` and `after` are the verdicts on the
    two texts. `gold_source` is ``given``, ``consensus`` or ``none``. `diagnosis` is that of the native
    text. `style` and `gate` are None where no scorer was asked.
    """

    trajectory: Trajectory
    refined: str
    outcome: Outcome
    reason: str | None
    diagnosis: Diagnosis
    edits: tuple[Edit, ...]
    before: Verdict
    after: Verdict
    gold_source: str
    style: StyleLedger | None
    utility: Utility | None
    gate: GateVerdict | None
    tried: tuple[Tried, ...]
    preserved: float
