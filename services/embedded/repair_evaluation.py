"""How good repairs are: shares, preservation, locality, and what they cost the student to learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import median
from typing import Any

from shared.bootstrap import Interval, mean_interval
from shared.domain import Correctness, Outcome, Refinement, Span, TokenScores, Trajectory
from shared.ports import Scorer, ScoreRequest
from shared.style.cost import tokens_in
from shared.text.edits import refined_spans
from shared.text.segmentation import segment

CHANGED = (Outcome.REPAIRED, Outcome.REGENERATED)


@dataclass(frozen=True, slots=True)
class Case:
    """One refinement with its label: 0-based first wrong step, -1 none, None unlabelled."""

    refinement: Refinement
    first_error: int | None


def shares(cases: Sequence[Case]) -> dict[str, Any]:
    """Outcomes of the wrong solutions, rewriters behind the changes, and what was preserved."""
    wrong = [c.refinement for c in cases if c.refinement.before.value is Correctness.INCORRECT]
    outcomes = Counter(r.outcome.value for r in wrong)
    changed = [r for r in wrong if r.outcome in CHANGED]
    repaired = [r.preserved for r in wrong if r.outcome is Outcome.REPAIRED]
    total = len(wrong)
    return {
        "wrong": total,
        "share": {name: _share(outcomes[name], total) for name in ("repaired", "regenerated", "rejected")},
        "by_rewriter": dict(Counter(r.edits[0].rewriter for r in changed)),
        "preserved_median": round(median(repaired), 3) if repaired else None,
        "gate_refused": sum("style gate" in t.reason for r in wrong for t in r.tried[-1:]),
    }


def locality(cases: Iterable[Case]) -> dict[str, Any]:
    """On labelled wrong steps: does the first edit fall on the labelled step, and does the diagnosis?"""
    labelled = [c for c in cases if c.first_error is not None and c.first_error >= 0]
    edited = [c for c in labelled if c.refinement.edits]
    return {
        "labelled": len(labelled),
        "edited": len(edited),
        "first_edit_on_label": _share(
            sum(first_edited(c.refinement) == c.first_error for c in edited), len(edited)
        ),
        "locator_on_label": _share(
            sum(c.refinement.diagnosis.first_error == c.first_error for c in edited), len(edited)
        ),
        "locator_on_label_all": _share(
            sum(c.refinement.diagnosis.first_error == c.first_error for c in labelled), len(labelled)
        ),
    }


def first_edited(refinement: Refinement) -> int:
    """Index of the native step that the first edit changes; an insertion counts for the step behind it."""
    start = refinement.edits[0].span.start
    steps = refinement.trajectory.steps
    return next((step.index for step in steps if step.span.end > start), steps[-1].index)


def _share(count: int, total: int) -> float | None:
    return round(count / total, 4) if total else None


@dataclass(frozen=True, slots=True)
class Rival:
    """A way to make a trajectory right: its text, what is new in it, and the native part replaced."""

    text: str
    spans: tuple[Span, ...]
    replaced: tuple[Span, ...]


def ours(refinement: Refinement) -> Rival:
    """The refinement itself."""
    replaced = tuple(edit.span for edit in refinement.edits)
    return Rival(refinement.refined, refined_spans(refinement.edits), replaced)


def reference_unchanged(refinement: Refinement) -> Rival | None:
    """The native steps before the first edit, then the reference's steps from there on, word for word."""
    native = refinement.trajectory
    reference = native.problem.reference
    if not reference:
        return None
    lines = [s.text for s in segment(reference) if not s.text.startswith("####")]
    return _continued(native, first_edited(refinement), lines)


def other_author(refinement: Refinement, steps: Sequence[str]) -> Rival | None:
    """The native steps before the first edit, then those of another author's solution from there on."""
    return _continued(refinement.trajectory, first_edited(refinement), list(steps))


def _continued(native: Trajectory, first: int, lines: Sequence[str]) -> Rival | None:
    rest = lines[min(first, max(0, len(lines) - 1)) :]
    if not rest:
        return None
    start = native.steps[first].span.start
    gap = native.joiner or "\n"
    new = gap.join(rest)
    return Rival(
        native.text[:start] + new, (Span(start, start + len(new)),), (Span(start, len(native.text)),)
    )


def drifts(
    refinements: Sequence[Refinement],
    scorer: Scorer,
    rivals: Mapping[str, Callable[[Refinement], Rival | None]],
) -> dict[str, Any]:
    """Drift on edited spans: mean nats per token of what is new minus that of what it replaces, paired.

    Where nothing native is replaced (a pure insertion), the whole native text stands in for it.
    Only trajectories for which every rival exists and has tokens are counted, so that all columns speak of
    the same ones. Intervals are percentile bootstrap over trajectories.
    """
    rows = list(_rows(refinements, scorer, rivals))
    columns: dict[str, Interval] = {name: mean_interval([row[name] for row in rows]) for name in rivals}
    first, *others = rivals
    paired = {
        f"{first}_minus_{other}": mean_interval([row[first] - row[other] for row in rows]) for other in others
    }
    info = scorer.info
    figures = {name: interval.to_json() for name, interval in {**columns, **paired}.items()}
    return {"scorer": info.name, "label": info.label, "n": len(rows), **figures}


def _rows(
    refinements: Sequence[Refinement],
    scorer: Scorer,
    rivals: Mapping[str, Callable[[Refinement], Rival | None]],
) -> Iterator[dict[str, float]]:
    for refinement in refinements:
        made = {name: make(refinement) for name, make in rivals.items()}
        known = {name: rival for name, rival in made.items() if rival is not None}
        if len(known) < len(made):
            continue
        problem = refinement.trajectory.problem.text
        texts = [refinement.trajectory.text, *(rival.text for rival in known.values())]
        native, *scored = scorer.score([ScoreRequest(problem, text) for text in texts])
        whole = _mean(native, (Span(0, len(refinement.trajectory.text)),))
        pairs = zip(known.items(), scored, strict=True)
        row = {
            name: _mean(scores, rival.spans) - _or(_mean(native, rival.replaced), whole)
            for (name, rival), scores in pairs
        }
        if all(value == value for value in row.values()):
            yield row


def _mean(scores: TokenScores, spans: Sequence[Span]) -> float:
    tokens = tokens_in(scores, spans)
    return fsum(scores.surprisals[t] for t in tokens) / len(tokens) if tokens else float("nan")


def _or(value: float, other: float) -> float:
    return value if value == value else other
