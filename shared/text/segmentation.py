r"""Cuts a solution into steps without losing a character.

Steps are spans over the text and between two of them stands nothing but white space, so the text itself is
never touched. A line is a step, unless it goes on with what the line before began: a display formula, an
indented part, the items under a lead-in ("We need:"), a wrapped sentence. "Step 3", "3." and headings always
begin a step. Where all the reasoning is one paragraph, its sentences are the steps. Formulas are never cut.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain import Span, Step
from shared.text.formulas import LINE_BREAK, Formula, find_formulas
from shared.text.sentences import sentence_spans

_MARKER = re.compile(r"#{1,6}\s|(?:\*\*|__)?(?:[Ss]tep|STEP)\s*\d+\b|(?:\*\*|__)?\(?\d{1,3}[.)]\s")
_BULLET = re.compile(r"[-*•–]\s")
_DISPLAY = re.compile(r"\\\[|\$\$|\\begin\{")
_TITLE_ONLY = re.compile(r"#{1,6}\s.*|(?:\*\*|__)?(?:[Ss]tep|STEP)\s*\d+\W*|\*\*[^*]+\*\*:?")
_ANSWER = re.compile(r"####|A:|(?:\*\*)?(?:the )?(?:final )?answer\b", re.IGNORECASE)
_WORD_GOES_ON = re.compile(r"[a-z]{2,}")
_SENTENCE_END = (".", "!", "?", ":", ";")
_WRAPPED_LINE = 60  # shorter lines are not taken for lines that an editor wrapped


@dataclass(frozen=True, slots=True)
class _Line:
    span: Span
    indent: int
    after_blank: bool


@dataclass(slots=True)
class _Unit:
    """Lines that make up one step."""

    first: _Line
    last: _Line

    @property
    def span(self) -> Span:
        return Span(self.first.span.start, self.last.span.end)


def segment(text: str) -> tuple[Step, ...]:
    """Steps of `text`, in order; none where it is empty or white space. Time is linear in its length."""
    formulas = find_formulas(text)
    units = _units(text, _lines(text, formulas))
    spans = _with_sentences(text, [unit.span for unit in units], formulas)
    return tuple(Step(index, span, span.of(text)) for index, span in enumerate(spans))


def join_steps(steps: Sequence[str], joiner: str) -> tuple[str, tuple[Step, ...]]:
    """The text of given steps, and the steps as spans over it; a step may be empty or hold newlines."""
    placed: list[Step] = []
    position = 0
    for index, step in enumerate(steps):
        placed.append(Step(index, Span(position, position + len(step)), step))
        position += len(step) + len(joiner)
    return joiner.join(steps), tuple(placed)


def _lines(text: str, formulas: Sequence[Formula]) -> list[_Line]:
    """The lines that are not blank, each without the white space around it."""
    lines: list[_Line] = []
    blank = False
    for start, end in _line_ranges(text, formulas):
        body = text[start:end].strip()
        if not body:
            blank = True
            continue
        indent = end - start - len(text[start:end].lstrip())
        begin = start + indent
        lines.append(_Line(Span(begin, begin + len(body)), indent, blank))
        blank = False
    return lines


def _line_ranges(text: str, formulas: Sequence[Formula]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    start, at = 0, 0
    for match in LINE_BREAK.finditer(text):
        while at < len(formulas) and formulas[at].span.end <= match.start():
            at += 1
        if at < len(formulas) and formulas[at].span.start <= match.start():
            continue
        ranges.append((start, match.start()))
        start = match.end()
    return [*ranges, (start, len(text))]


def _units(text: str, lines: Sequence[_Line]) -> list[_Unit]:
    units: list[_Unit] = []
    for line in lines:
        if units and _continues(text, units[-1], line):
            units[-1].last = line
        else:
            units.append(_Unit(line, line))
    return units


def _continues(text: str, unit: _Unit, line: _Line) -> bool:
    """Whether `line` belongs to the step that `unit` has begun."""
    start = line.span.start
    if line.indent <= 3 and _MARKER.match(text, start):
        return False
    tail = text[max(unit.last.span.start, unit.last.span.end - 8) : unit.last.span.end]
    if _DISPLAY.match(text, start):
        return not line.after_blank or tail[-1].isalnum() or tail.endswith((":", ","))
    if line.after_blank:
        return _is_title(text, unit) or (_is_item(text, unit) and line.indent >= unit.first.indent + 2)
    if line.indent >= unit.first.indent + 2 or tail.endswith(":"):
        return True
    if _BULLET.match(text, start):
        end = unit.first.span.end
        return text[max(0, end - 3) : end].rstrip("*_ ").endswith(":")
    return _goes_on(text, unit, start, tail)


def _goes_on(text: str, unit: _Unit, start: int, tail: str) -> bool:
    """Whether the line at `start` finishes a sentence of the line before."""
    if not _WORD_GOES_ON.match(text, start):
        return False
    after_display = tail.endswith((r"\]", "$$", "}"))
    return after_display or (len(unit.last.span) >= _WRAPPED_LINE and not tail.endswith(_SENTENCE_END))


def _is_title(text: str, unit: _Unit) -> bool:
    if unit.first is not unit.last or len(unit.span) > 200:
        return False
    return _TITLE_ONLY.fullmatch(unit.span.of(text)) is not None


def _is_item(text: str, unit: _Unit) -> bool:
    start = unit.first.span.start
    return bool(_MARKER.match(text, start) or _BULLET.match(text, start))


def _with_sentences(text: str, spans: list[Span], formulas: Sequence[Formula]) -> list[Span]:
    """Replaces the one span of reasoning by its sentences; with more than one, spans stay as they are."""
    reasoning = [span for span in spans if not _ANSWER.match(text, span.start)]
    if len(reasoning) != 1:
        return spans
    at = spans.index(reasoning[0])
    return [*spans[:at], *sentence_spans(text, reasoning[0], formulas), *spans[at + 1 :]]
