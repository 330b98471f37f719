"""Cuts one paragraph of mathematical prose into sentences.

A full stop ends a sentence only where it can: not in decimals, amounts, abbreviations, initials,
enumerations or factorials, and never inside a formula or note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shared.domain import Span
from shared.text.formulas import Formula

# The look-behind keeps a long run of stops from being scanned once per stop.
_STOP = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]*_»]*+(?=\s)|[。！？।]++[”’」』）]*+")
_BULLET = re.compile(r"(?<=[\n\r\v\f\x85\u2028\u2029])(?=[ \t]{0,8}[-*•]\s)")
_STEP_MARK = re.compile(r"(?<=\s)(?=Step \d{1,3}[:.])")
_BLANKS = re.compile(r"\s*+")
_LAST_WORD = re.compile(r"[A-Za-z][A-Za-z.]*\Z")
_FIRST_WORD = re.compile(r"[A-Za-z']+")
_ENUMERATOR = re.compile(r"[(\[*]*(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})\Z")
_VARIABLE_STARTS = re.compile(r"[a-z](?:_\w+)?\s*[=<>≤≥+*/×·-]")
_OPENING = "\"'“‘«([{*_-–— \t"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words(
    "mr mrs ms mx dr prof st mt vs e.g i.e eg ie cf approx gen rep sen gov capt lt col sgt rev hon messrs"
)
_BEFORE_A_NUMBER = _words(
    "no nos fig figs eq eqs vol p pp ch sec art ex thm jan feb mar apr jun jul aug sept sep oct nov dec"
)
_MAY_END = _words("a.m p.m am pm etc inc ltd co corp u.s u.k u.s.a jr sr ph.d ave blvd rd b.c a.d al")
_STARTERS = _words(
    "A After All Also An And As At Because Both But By Each Every Finally First For From Given He Hence Her "
    "His How However I If In It Its Last Let Next Now On One Second Since She So That The Their Then There "
    "Therefore These They This Thus To Together Two We What When While With You"
)


def sentence_spans(text: str, span: Span, formulas: Sequence[Formula]) -> list[Span]:
    """Sentences of `text` inside `span`, in order; what lies between them is white space."""
    sentences: list[Span] = []
    start = span.start
    for stop in _candidates(text, span, formulas):
        following = _BLANKS.match(text, stop, span.end)
        begin = following.end() if following else stop
        if start < stop <= begin < span.end and _ends_here(text, start, stop, begin):
            sentences.append(Span(start, stop))
            start = begin
    return [*sentences, Span(start, span.end)]


def _candidates(text: str, span: Span, formulas: Sequence[Formula]) -> Iterator[int]:
    """Places where a sentence might end, outside every formula, ascending."""
    places = {match.end() for match in _STOP.finditer(text, span.start, span.end)}
    for pattern in (_BULLET, _STEP_MARK):
        places |= {_trim(text, match.start()) for match in pattern.finditer(text, span.start, span.end)}
    inside = iter(formula.span for formula in formulas)
    formula = next(inside, None)
    for place in sorted(places | {f.span.end for f in formulas}):
        while formula is not None and formula.end < place:
            formula = next(inside, None)
        if span.start < place < span.end and not (formula and formula.start < place < formula.end):
            yield place


def _trim(text: str, place: int) -> int:
    while place > 0 and text[place - 1].isspace():
        place -= 1
    return place


def _ends_here(text: str, start: int, stop: int, begin: int) -> bool:
    """Whether a sentence that began at `start` ends at `stop` and the next one begins at `begin`."""
    before = text[max(start, stop - 40) : stop]
    ahead = text[begin : begin + 40]
    if _STEP_MARK.match(text, begin) or (
        begin > stop and _BULLET.match(text, _line_start(text, begin, stop))
    ):
        return True
    if before.rstrip("”」』）").endswith(("。", "！", "？", "।")):
        return True
    if before.endswith(("$", r"\)", r"\]")):
        return before.rstrip(r"$\)] ").endswith((".", "!", "?")) and _first_is_capital(ahead)
    body = before.rstrip("\"'”’)]*_»")
    core = body.rstrip(".!?…")
    if core == body:
        return False
    return _stop_is_final(core, body[len(core) :], ahead, bare=stop - start <= 8)


def _line_start(text: str, begin: int, stop: int) -> int:
    while begin > stop and text[begin - 1] in " \t":
        begin -= 1
    return begin


def _stop_is_final(core: str, marks: str, ahead: str, *, bare: bool) -> bool:
    if bare and _ENUMERATOR.match(core):
        return False
    if len(marks) > 1 and "?" not in marks and "!" not in marks:
        return _first_is_capital(ahead)
    if marks[0] == "!" and core[-1:] and (core[-1].isdigit() or core[-1] in ")}"):
        return _first_is_capital(ahead)
    if marks[0] == "." and _is_abbreviation(core, ahead):
        return False
    return _may_start(ahead)


def _is_abbreviation(core: str, ahead: str) -> bool:
    match = _LAST_WORD.search(core)
    if match is None or core[: match.start()].endswith(("\\", "$")):
        return False
    word = match[0].lower()
    number = ahead[:1].isdigit()
    if word in _TITLES or (number and word in _BEFORE_A_NUMBER):
        return True
    if word in _MAY_END:
        return not _starter(ahead)
    return len(word) == 1 and not number and match[0].isupper() and not _starter(ahead)


def _starter(ahead: str) -> bool:
    word = _FIRST_WORD.match(ahead)
    return word is not None and word[0] in _STARTERS


def _first_is_capital(ahead: str) -> bool:
    return ahead.lstrip(_OPENING)[:1].isupper()


def _may_start(ahead: str) -> bool:
    first = ahead.lstrip(_OPENING)[:1]
    if not first:
        return False
    if first.islower():
        return bool(_VARIABLE_STARTS.match(ahead))
    return first.isalnum() or first in "$\\<£€¥√∴⇒→#"
