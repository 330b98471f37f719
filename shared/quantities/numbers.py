"""Numbers in running text, with exact values and code-point spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from shared.domain import Span
from shared.quantities.tokens import Kind, Token, scan
from shared.quantities.words import CURRENCIES, FUNCTION_WORDS, singular

NumberKind = Literal["digits", "word", "fraction", "percent", "mixed"]
_UNIT_REACH = 2
MAX_REMEMBERED = 4096
"""Longer texts are read anew each time."""


@dataclass(frozen=True, slots=True)
class Number:
    """One number as written; signs are no part of it.

    Attributes:
        span: of the number, currency excluded, per cent sign included.
        value: exact; 50% is 1/2.
        surface: the characters of the span.
        kind: ``fraction`` is a written ``3/4`` or ``\\frac{3}{4}``, ``mixed`` a ``2 1/2``.
        prefix: the currency sign before it, as written (``$``, ``\\$``), or an empty string.
        unit: the noun behind it, lower-case singular, or None.
        parts: of a fraction or mixed number: the numbers it is written with (the other reading).
    """

    span: Span
    value: Fraction
    surface: str
    kind: NumberKind
    prefix: str = ""
    unit: str | None = None
    parts: tuple[Number, ...] = ()


def find_numbers(text: str) -> tuple[Number, ...]:
    """All numbers of `text` in order; more than 40 digits in a row are no number."""
    return _remembered(text) if len(text) <= MAX_REMEMBERED else _find(text)


@lru_cache(maxsize=512)
def _remembered(text: str) -> tuple[Number, ...]:
    return _find(text)


def _find(text: str) -> tuple[Number, ...]:
    tokens = scan(text)
    found: list[Number] = []
    place = 0
    while place < len(tokens):
        number, place = _read(text, tokens, place)
        if number is not None:
            found.append(number)
    return tuple(found)


def numbers_outside(numbers: Iterable[Number], spans: Iterable[Span]) -> tuple[Number, ...]:
    """Those of `numbers` (ascending) that overlap none of `spans`; linear after sorting."""
    ordered = sorted(spans)
    kept: list[Number] = []
    place, covered = 0, 0
    for number in numbers:
        while place < len(ordered) and ordered[place].start < number.span.end:
            covered = max(covered, ordered[place].end)
            place += 1
        if number.span.start >= covered:
            kept.append(number)
    return tuple(kept)


def _read(text: str, tokens: Sequence[Token], place: int) -> tuple[Number | None, int]:
    token = tokens[place]
    if token.kind is Kind.COMMAND and token.text == "frac":
        return _latex_fraction(text, tokens, place)
    if token.kind is Kind.NOTE:
        return None, place + 1
    if token.kind is not Kind.NUMBER:
        return None, place + 1
    mixed = _mixed(text, tokens, place)
    if mixed is not None:
        return mixed, place + 4
    if _slashed(tokens, place):
        parts = (_single(text, tokens, place), _single(text, tokens, place + 2))
        return _fraction(text, tokens, parts, place + 3), place + 3
    return _single(text, tokens, place), place + 1


def _single(text: str, tokens: Sequence[Token], place: int) -> Number:
    token = tokens[place]
    kind: NumberKind = "percent" if token.form == "percent" else "word" if token.form == "word" else "digits"
    span = Span(token.start, token.end)
    prefix = _prefix(text, token.start)
    return Number(span, token.value or Fraction(0), span.of(text), kind, prefix, _unit(tokens, place + 1))


def _fraction(
    text: str, tokens: Sequence[Token], parts: tuple[Number, Number], behind: int, span: Span | None = None
) -> Number:
    whole = span or Span(parts[0].span.start, parts[1].span.end)
    value = parts[0].value / parts[1].value
    prefix = _prefix(text, whole.start)
    return Number(whole, value, whole.of(text), "fraction", prefix, _unit(tokens, behind), parts)


def _slashed(tokens: Sequence[Token], place: int) -> bool:
    """Whether a tight ``3/4`` of plain whole numbers begins here."""
    if place + 2 >= len(tokens):
        return False
    top, slash, bottom = tokens[place : place + 3]
    tight = slash.text == "/" and not slash.spaced and not bottom.spaced and slash.kind is Kind.OPERATOR
    plain = top.form == bottom.form == "digits" and bool(bottom.value)
    return tight and plain and slash.start == top.end and bottom.start == slash.end


def _mixed(text: str, tokens: Sequence[Token], place: int) -> Number | None:
    """``2 1/2``, where the fraction is a proper one."""
    if place + 3 >= len(tokens) or tokens[place].form != "digits" or not _slashed(tokens, place + 1):
        return None
    whole, top, bottom = tokens[place], tokens[place + 1], tokens[place + 3]
    proper = top.value is not None and bottom.value is not None and top.value < bottom.value
    if not proper or "." in whole.text or text[whole.end : top.start] != " ":
        return None
    parts = tuple(_single(text, tokens, at) for at in (place, place + 1, place + 3))
    span = Span(whole.start, bottom.end)
    value = parts[0].value + parts[1].value / parts[2].value
    return Number(
        span, value, span.of(text), "mixed", _prefix(text, span.start), _unit(tokens, place + 4), parts
    )


def _latex_fraction(text: str, tokens: Sequence[Token], place: int) -> tuple[Number | None, int]:
    """``\\frac{3}{4}``; anything else inside is read number by number."""
    window = tokens[place + 1 : place + 7]
    shape = [token.kind for token in window]
    wanted = [Kind.OPEN, Kind.NUMBER, Kind.CLOSE, Kind.OPEN, Kind.NUMBER, Kind.CLOSE]
    if shape != wanted or not window[4].value:
        return None, place + 1
    parts = (_single(text, tokens, place + 2), _single(text, tokens, place + 5))
    span = Span(tokens[place].start, window[5].end)
    return _fraction(text, tokens, parts, place + 7, span), place + 7


def _prefix(text: str, start: int) -> str:
    if start and text[start - 1] in CURRENCIES:
        return text[max(0, start - 2) : start] if text[max(0, start - 2)] == "\\" else text[start - 1]
    return ""


def _unit(tokens: Sequence[Token], place: int) -> str | None:
    """The noun behind a number: the first word there that is no function word; "more eggs" gives egg."""
    for token in tokens[place : place + _UNIT_REACH]:
        if token.kind is not Kind.WORD or (token.text in FUNCTION_WORDS and token.text != "of"):
            return None
        if token.text not in _QUALIFIERS:
            return singular(token.text)
    return None


_QUALIFYING = "more fewer less additional extra other new old of full whole total"
_QUALIFIERS = frozenset(_QUALIFYING.split())
