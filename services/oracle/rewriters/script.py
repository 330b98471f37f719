"""From rewritten steps to declared edits: whole steps, or whole tokens within a step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from shared.domain import Edit, Span, Trajectory

CLOSE = 6
"""Token edits with at most so many untouched characters between them are one edit."""

_TOKEN = re.compile(r"\s+|\S+")
_NUMBERED = re.compile(r"^(\s*(?:Step )?)(\d+)(?=[.):]\s)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the rewritten solution.

    Attributes:
        native: index of the native step it stands for; None for an inserted step.
        text: its new text; None where the native step is dropped.
        whole: whether the step was written anew (else single tokens of it change).
        author: who wrote what is new.
    """

    native: int | None
    text: str | None
    whole: bool = False
    author: str = "rules"


def edits_of(trajectory: Trajectory, entries: Sequence[Entry], rewriter: str) -> tuple[Edit, ...]:
    """Edits that turn the native text into the entries; every native step has one entry, in order."""
    gap = usual_gap(trajectory)
    edits: list[Edit] = []
    block: list[Entry] = []
    for entry in (*_renumbered(trajectory, entries), None):
        if entry is not None and (entry.native is None or entry.text is None or entry.whole):
            block.append(entry)
            continue
        following = entry.native if entry is not None else len(trajectory.steps)
        if block:
            edits.append(_block_edit(trajectory, block, following or 0, gap, rewriter))
            block = []
        if entry is not None:
            edits += _token_edits(trajectory, entry, rewriter)
    return tuple(_joined(edits))


def touched_by(trajectory: Trajectory, entries: Sequence[Entry]) -> tuple[int, ...]:
    """Native steps that the entries change; an inserted step counts for the native step behind it."""
    last = len(trajectory.steps) - 1
    touched: set[int] = set()
    pending = False
    for entry in entries:
        if entry.native is None:
            pending = True
            continue
        if pending or entry.text != trajectory.steps[entry.native].text:
            touched.add(entry.native)
        pending = False
    return tuple(sorted(touched | ({last} if pending else set())))


def usual_gap(trajectory: Trajectory) -> str:
    """What stands between two steps: the joiner, else the commonest gap, else a line feed."""
    if trajectory.joiner is not None:
        return trajectory.joiner
    ends = zip(trajectory.steps, trajectory.steps[1:], strict=False)
    gaps = Counter(trajectory.text[first.span.end : second.span.start] for first, second in ends)
    return gaps.most_common(1)[0][0] if gaps else "\n"


def _renumbered(trajectory: Trajectory, entries: Sequence[Entry]) -> list[Entry]:
    """Step numbers follow on where steps were inserted or dropped."""
    shifted = any(entry.native is None or entry.text is None for entry in entries)
    if not shifted:
        return list(entries)
    out, number = [], 0
    for entry in entries:
        found = _NUMBERED.match(entry.text or "")
        if found and entry.text is not None:
            number = number + 1 if number else int(found[2])
            text = f"{found[1]}{number}{entry.text[found.end() :]}"
            out.append(Entry(entry.native, text, entry.whole, entry.author))
        else:
            out.append(entry)
    return out


def _block_edit(
    trajectory: Trajectory, block: Sequence[Entry], following: int, gap: str, rewriter: str
) -> Edit:
    """One edit for a run of steps that are written anew, dropped or inserted."""
    natives = [entry.native for entry in block if entry.native is not None]
    texts = [entry.text for entry in block if entry.text is not None]
    start, end, after = _block_range(trajectory, natives, following, gap.join(texts), gap)
    author = _speaker([entry.author for entry in block])
    return Edit(Span(start, end), trajectory.text[start:end], after, author, rewriter)


def _speaker(authors: Sequence[str]) -> str:
    """Who answers for text of several authors: the reference, else the first that isn't the rules."""
    if "reference" in authors:
        return "reference"
    return next((author for author in authors if author != "rules"), "rules")


def _block_range(
    trajectory: Trajectory, natives: Sequence[int], following: int, after: str, gap: str
) -> tuple[int, int, str]:
    steps = trajectory.steps
    if natives and after:
        return steps[natives[0]].span.start, steps[natives[-1]].span.end, after
    if natives and following < len(steps):
        return steps[natives[0]].span.start, steps[following].span.start, ""
    if natives:
        first = natives[0]
        return steps[first - 1].span.end if first else 0, steps[natives[-1]].span.end, ""
    if following < len(steps):
        place = steps[following].span.start
        return place, place, after + gap
    place = steps[-1].span.end
    return place, place, gap + after


def _token_edits(trajectory: Trajectory, entry: Entry, rewriter: str) -> list[Edit]:
    """Edits of whole white-space separated tokens within one step."""
    if entry.native is None or entry.text is None:
        return []
    step = trajectory.steps[entry.native]
    if entry.text == step.text:
        return []
    old, new = _TOKEN.findall(step.text), _TOKEN.findall(entry.text)
    offsets = [step.span.start]
    for token in old:
        offsets.append(offsets[-1] + len(token))
    return [
        Edit(Span(offsets[a], offsets[b]), "".join(old[a:b]), "".join(new[c:d]), entry.author, rewriter)
        for a, b, c, d in _changes(old, new)
    ]


def _changes(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Ranges of tokens that differ; two that only a few characters part become one."""
    found: list[tuple[int, int, int, int]] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if found and len("".join(old[found[-1][1] : a])) <= CLOSE:
            found[-1] = (found[-1][0], b, found[-1][2], d)
        else:
            found.append((a, b, c, d))
    return found


def _joined(edits: Sequence[Edit]) -> list[Edit]:
    """Edits that touch become one, so that spans are disjoint and their order is plain."""
    out: list[Edit] = []
    for edit in edits:
        last = out[-1] if out else None
        if last is not None and last.span.end == edit.span.start:
            span = Span(last.span.start, edit.span.end)
            author = _speaker([last.author, edit.author])
            out[-1] = Edit(span, last.before + edit.before, last.after + edit.after, author, edit.rewriter)
        else:
            out.append(edit)
    return out
