"""Lays the native and the refined text side by side: one row a step, or a run of steps edited as one.

A row holds pieces ``[text, marks]``. Marks: ``e`` inside a declared edit, ``c`` a word that differs there,
``w`` the part of a step that a locator calls wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from services.embedded.report.shape import Record
from services.embedded.report.words import changed

Mark = tuple[int, int, str]
Piece = list[str]
Row = dict[str, Any]


@dataclass(frozen=True)
class Region:
    """A run of native steps `first`..`last` and the part of the text it takes up, with what joins it on."""

    first: int
    last: int
    start: int
    end: int


def rows(record: Record) -> list[Row]:
    """The rows of one record, in the order of the native text."""
    text, edits = record["native"]["text"], record["edits"]
    regions = merged(regions_of(text, record["native"]["steps"]), edits)
    wrong = wrong_parts(record["diagnosis"], record["native"]["steps"])
    return [row(text, region, edits_in(region, edits, len(text)), wrong) for region in regions]


def regions_of(text: str, steps: list[list[int]]) -> list[Region]:
    """One region a step; together they cover the whole text."""
    starts = [0, *(start for start, _ in steps[1:]), len(text)]
    return [Region(i, i, starts[i], starts[i + 1]) for i in range(max(1, len(steps)))]


def merged(regions: list[Region], edits: list[dict[str, Any]]) -> list[Region]:
    """The regions, with those that one edit touches made one."""
    out: list[Region] = []
    for region in regions:
        if out and any(e["span"][0] < region.start < e["span"][1] for e in edits):
            out[-1] = Region(out[-1].first, region.last, out[-1].start, region.end)
        else:
            out.append(region)
    return out


def edits_in(region: Region, edits: list[dict[str, Any]], length: int) -> list[dict[str, Any]]:
    """The edits that start in a region; an insertion at the very end belongs to the last one."""
    stop = region.end + (region.end == length)
    return [edit for edit in edits if region.start <= edit["span"][0] < stop]


def row(text: str, region: Region, edits: list[dict[str, Any]], wrong: list[Mark]) -> Row:
    """One row: ``same`` where nothing was edited, else ``native``, ``refined`` and who wrote."""
    native_marks = [mark for mark in wrong if mark[0] < region.end and region.start < mark[1]]
    refined, refined_marks, cursor = "", list[Mark](), region.start
    for edit in edits:
        start, end = edit["span"]
        refined += text[cursor:start]
        old, new = changed(text[start:end], edit["after"])
        native_marks += edit_marks(start, end, old)
        refined_marks += edit_marks(len(refined), len(refined) + len(edit["after"]), new)
        refined, cursor = refined + edit["after"], end
    steps = [region.first, region.last]
    native = pieces(text[region.start : region.end], shifted(native_marks, -region.start))
    if not edits:
        return {"steps": steps, "same": native}
    refined += text[cursor : region.end]
    return {"steps": steps, "native": native, "refined": pieces(refined, refined_marks), "by": by(edits)}


def by(edits: list[dict[str, Any]]) -> list[str]:
    """Who made the edits: each rewriter with the authors of what it wrote."""
    pairs = sorted({(edit["rewriter"], edit["author"]) for edit in edits})
    return [
        f"{rewriter} ({', '.join(a for _, a in group)})" for rewriter, group in groupby(pairs, itemgetter(0))
    ]


def edit_marks(start: int, end: int, differing: Iterable[tuple[int, int]]) -> list[Mark]:
    """An edit's own mark and those of the words that differ in it."""
    return [(start, end, "e"), *((start + a, start + b, "c") for a, b in differing)]


def wrong_parts(diagnosis: dict[str, Any], steps: list[list[int]]) -> list[Mark]:
    """Marks of the parts of steps that a locator calls wrong; a step wrong as a whole needs no mark."""
    wrong = (finding["span"] for finding in diagnosis["steps"] if finding["verdict"] == "wrong")
    return [(span[0], span[1], "w") for span in wrong if span not in steps]


def shifted(marks: Iterable[Mark], offset: int) -> list[Mark]:
    """The same marks, `offset` characters on, cut off at zero."""
    return [(max(0, start + offset), max(0, end + offset), kind) for start, end, kind in marks]


def pieces(text: str, marks: Iterable[Mark]) -> list[Piece]:
    """The text cut wherever a mark begins or ends, without the line breaks that only join it to the next."""
    text = text.rstrip("\n")
    found = [(start, min(end, len(text)), kind) for start, end, kind in marks if start < len(text)]
    cuts = sorted({0, len(text), *(c for start, end, _ in found for c in (start, end))})
    out: list[Piece] = []
    for start, end in pairwise(cuts):
        kinds = "".join(
            k for k in "ecw" if any(a <= start and end <= b and k == kind for a, b, kind in found)
        )
        out.append([text[start:end], kinds])
    return out
