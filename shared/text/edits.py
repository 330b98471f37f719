"""Applies declared edits to a text, takes them back, and proves that nothing else was touched.

All spans are half-open ranges of Unicode code points over the native text. Edits are ordered and disjoint
(two may meet), and what an edit calls `before` is what stands at its span. Texts are never normalised.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shared.domain import Edit, Span, Step, Trajectory
from shared.errors import IntegrityError
from shared.text.formulas import LINE_BREAK
from shared.text.segmentation import segment


def apply(text: str, edits: Sequence[Edit]) -> str:
    """`text` with every edit in place; IntegrityError where the edits don't fit the text."""
    check_fit(text, edits)
    pieces: list[str] = []
    position = 0
    for edit in edits:
        pieces += (text[position : edit.span.start], edit.after)
        position = edit.span.end
    return "".join([*pieces, text[position:]])


def inverse(text: str, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Edits over the refined text that give the native `text` back."""
    check_fit(text, edits)
    placed = zip(edits, refined_spans(edits), strict=True)
    return tuple(Edit(span, e.after, e.before, e.author, e.rewriter) for e, span in placed)


def check_fit(text: str, edits: Sequence[Edit]) -> None:
    """IntegrityError unless the edits are ordered, disjoint, and find their `before` in `text`."""
    position = 0
    for index, edit in enumerate(edits):
        if edit.span.start < position:
            raise IntegrityError(f"edit {index} starts at {edit.span.start}, before the end of the last one")
        if edit.span.end > len(text) or edit.span.of(text) != edit.before:
            raise IntegrityError(f"edit {index} expects {edit.before[:40]!r}, which isn't what stands there")
        position = edit.span.end


def check_untouched(native: str, refined: str, edits: Sequence[Edit]) -> None:
    """IntegrityError unless `refined` is `native` outside the edits, and the inverse edits give it back."""
    if apply(native, edits) != refined:
        raise IntegrityError("the refined text differs from the native text outside the declared edits")
    if apply(refined, inverse(native, edits)) != native:
        raise IntegrityError("the inverse edits don't give the native text back")


def preserved_fraction(text: str, edits: Sequence[Edit]) -> float:
    """Native characters outside the edits / native characters; 1.0 for an empty text."""
    if not text:
        return 1.0
    return 1.0 - sum(len(edit.span) for edit in edits) / len(text)


def refined_spans(edits: Sequence[Edit]) -> tuple[Span, ...]:
    """Where each edit's `after` stands in the refined text."""
    spans: list[Span] = []
    moved = 0
    for edit in edits:
        start = edit.span.start + moved
        spans.append(Span(start, start + len(edit.after)))
        moved += _growth(edit)
    return tuple(spans)


def map_spans(spans: Iterable[Span], edits: Sequence[Edit]) -> tuple[Span, ...]:
    """`map_span` of each."""
    return tuple(map_span(span, edits) for span in spans)


def map_span(span: Span, edits: Sequence[Edit]) -> Span:
    """Where a native span stands in the refined text.

    A span that shares characters with an edit, or holds an insertion strictly inside, grows to take in all
    that the edit wrote; any other is shifted.
    """
    touching = [i for i, edit in enumerate(edits) if _touches(edit.span, span)]
    if not touching:
        return span.shifted(_moved(span.start, edits))
    written = refined_spans(edits)
    first, last = touching[0], touching[-1]
    start, end = written[first].start, written[last].end
    return Span(
        start - max(0, edits[first].span.start - span.start),
        end + max(0, span.end - edits[last].span.end),
    )


def map_steps(trajectory: Trajectory, edits: Sequence[Edit]) -> tuple[Step, ...]:
    """Steps of the refined text.

    Where the text was segmented, the refined text is segmented anew. Where steps were given they are
    tracked: an edit belongs to the first step it touches, a step that lost all its text is gone, and
    where the joiner holds a line break, a joiner inside an edit's new text begins a further step.
    """
    refined = apply(trajectory.text, edits)
    if trajectory.joiner is None:
        return segment(refined)
    if not edits:
        return trajectory.steps
    spans = _tracked(trajectory.steps, edits, trajectory.joiner)
    return tuple(Step(index, span, span.of(refined)) for index, span in enumerate(spans))


def _growth(edit: Edit) -> int:
    return len(edit.after) - len(edit.before)


def _moved(position: int, edits: Sequence[Edit]) -> int:
    """How far text that begins at `position` has moved; insertions at `position` stand before it."""
    return sum(_growth(edit) for edit in edits if edit.span.end <= position)


def _touches(edit: Span, span: Span) -> bool:
    return edit.overlaps(span) or (not len(edit) and span.start < edit.start < span.end)


def _tracked(steps: Sequence[Step], edits: Sequence[Edit], joiner: str) -> list[Span]:
    owned = _owned_edits(steps, edits)
    written = refined_spans(edits)
    spans: list[Span] = []
    for step in steps:
        mine = owned[step.index]
        rest = _remainder(step.span, edits)
        if not mine and rest is not None:
            spans.append(rest)
        elif mine:
            hull = _hull([written[i] for i in mine], rest)
            spans += _cut(hull, ((written[i].start, edits[i].after) for i in mine), joiner)
    return spans


def _owned_edits(steps: Sequence[Step], edits: Sequence[Edit]) -> list[list[int]]:
    """For each step the edits it answers for: those of which it is the first step that they touch."""
    owned: list[list[int]] = [[] for _ in steps]
    at = 0
    for index, edit in enumerate(edits):
        while at < len(steps) - 1 and steps[at].span.end < edit.span.start:
            at += 1
        if steps:
            owned[at].append(index)
    return owned


def _remainder(span: Span, edits: Sequence[Edit]) -> Span | None:
    """Where the first to the last untouched character of a native span stand; None where none is left."""
    start, end = span.start, span.end
    for edit in edits:
        if edit.span.start <= start < edit.span.end:
            start = edit.span.end
    for edit in reversed(edits):
        if edit.span.start < end <= edit.span.end:
            end = edit.span.start
    if start > end or (start == end and len(span)):
        return None
    begin = start + _moved(start, edits)
    inside = sum(_growth(edit) for edit in edits if start <= edit.span.start < edit.span.end <= end)
    inserted = sum(len(e.after) for e in edits if not len(e.span) and start < e.span.start < end)
    return Span(begin, begin + end - start + inside + inserted)


def _hull(written: Sequence[Span], rest: Span | None) -> Span:
    spans = [*written, rest] if rest is not None else written
    return Span(min(span.start for span in spans), max(span.end for span in spans))


def _cut(hull: Span, afters: Iterable[tuple[int, str]], joiner: str) -> Iterator[Span]:
    """Parts of `hull` between the joiners that the edits wrote; empty parts are left out."""
    start = hull.start
    if LINE_BREAK.search(joiner):
        for offset, after in afters:
            at = after.find(joiner)
            while at >= 0:
                if offset + at > start:
                    yield Span(start, offset + at)
                start = offset + at + len(joiner)
                at = after.find(joiner, at + len(joiner))
    if hull.end > start:
        yield Span(start, hull.end)
