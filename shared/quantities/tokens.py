"""One linear pass from text to tokens; everything else in this package reads tokens, not characters.

Every alternative of the pattern is bounded or consumes at least one character without backtracking into
another alternative, so a scan takes time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from shared.quantities.words import (
    ATTACHED_UNITS,
    CARDINALS,
    CLOCK_WORDS,
    EQUALITY_WORDS,
    MULTIPLES,
    OPERATOR_PAIRS,
    OPERATOR_WORDS,
    PARTS,
    SCALES,
    TENS,
)

MAX_DIGITS = 40
"""A longer run of digits is no number."""


class Kind(Enum):
    """What a token is."""

    NUMBER = "number"
    OPERATOR = "operator"
    OPEN = "open"
    CLOSE = "close"
    EQUAL = "equal"
    WORD = "word"
    VARIABLE = "variable"
    COMMAND = "command"
    NOTE = "note"
    BREAK = "break"
    LINE = "line"


class Token(NamedTuple):
    """A piece of text. `text` is normalised: the operator sign, the bracket, the lower-case word.

    `value` is set for numbers only; `spaced` says whether white space (or ignorable mark-up) stands
    before it; `form` is how a number is written (digits, word, percent).
    """

    kind: Kind
    start: int
    end: int
    text: str
    value: Fraction | None = None
    spaced: bool = False
    form: str = ""


_PATTERN = re.compile(
    r"""
      (?P<note><<[^<>\n]{0,200}>>)
    | (?P<clock>\d{1,2}:\d{2}(?!\d))
    | (?P<number>(?:\d{1,3}(?:(?:,|\{,\}|\\,|,\\!|\\!,)\d{3})+(?!\d)
                  |(?<=[$€£])\d{1,3}(?:\ \d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)
    | (?P<word>[^\W\d_]+(?:['’][^\W\d_]+)*)
    | (?P<text>\\(?:text|mathrm|mbox|textbf|textit|operatorname|texttt|mathbf)\s?\{[^{}\\]{0,120}\})
    | (?P<boxed>\\(?:boxed|fbox|displaystyle|textstyle|left|right|[bB]ig[lr]?|limits|mathbf|text)(?![A-Za-z]))
    | (?P<operator>\\(?:times|cdot|div|ast)(?![A-Za-z])|\*\*|[-+*/×·÷−–∙⋅^]|(?<=\s):(?=\s))
    | (?P<approx>≈|≃|\\(?:approx|simeq)(?![A-Za-z]))
    | (?P<relation>[!<>]=|=[>]|≠|≤|≥|≡|[-=]>|\\(?:neq?|leq?|geq?|equiv|pmod|bmod)(?![A-Za-z]))
    | (?P<equal>==?)
    | (?P<root>\\(?:[dt]?frac|sqrt|[dt]?binom)(?![A-Za-z]))
    | (?P<percent>\\?%)
    | (?P<ignorable>\\[(),;:!]|\\[ ]|\\q?quad(?![A-Za-z])|\\?\$|[€£¥₹&~]|¢)
    | (?P<display>\\\[|\\\]|\\(?:begin|end)\{[a-z*]{1,20}\})
    | (?P<row>\\\\)
    | (?P<command>\\[A-Za-z]+)
    | (?P<open>[(\[{]|\\\{)
    | (?P<close>[)\]}]|\\\})
    | (?P<line>\n)
    | (?P<space>[^\S\n]+)
    | (?P<factorial>(?<=[\d)\]}])!(?!\s*[A-Z]|\s*$))
    | (?P<variable>[_|∞√π∑∫]|(?<=[A-Za-z'′])['′])
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SIGNS = {"×": "*", "·": "*", "∙": "*", "⋅": "*", "\\times": "*", "\\cdot": "*", "\\ast": "*", "÷": "/"}
_SIGNS |= {"\\div": "/", ":": "/", "−": "-", "–": "-", "**": "^"}
_NUMERALS = CARDINALS.keys() | TENS.keys() | SCALES.keys() | MULTIPLES.keys()
_NOISE = re.compile(r"[,\\{}! ]")
_X_AS_VARIABLE = re.compile(
    r"(?<![A-Za-z])x\s{0,3}(?:[=^_,)]|[-+]\s{0,2}\d)|[=(+]\s{0,3}x(?![A-Za-z])|\\\(\s?x\s?\\\)|\$x\$"
)


MAX_REMEMBERED = 4096
"""Longer texts are scanned anew each time."""


def scan(text: str) -> tuple[Token, ...]:
    """Tokens of `text`, in order, with code-point offsets; white space and dollar signs are left out."""
    return _remembered(text) if len(text) <= MAX_REMEMBERED else tuple(_Scanner(text).run())


@lru_cache(maxsize=1024)
def _remembered(text: str) -> tuple[Token, ...]:
    return tuple(_Scanner(text).run())


class _Scanner:
    """The pass over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.spaced = True
        self.x_is_variable = _X_AS_VARIABLE.search(text) is not None

    def run(self) -> list[Token]:
        for match in _PATTERN.finditer(self.text):
            group = match.lastgroup
            if group == "space" or group == "ignorable" or group == "boxed":
                self.spaced = self.spaced or group == "space"
                continue
            handler = _HANDLERS[str(group)]
            handler(self, match.start(), match.end(), match.group())
            self.spaced = False
        return self.tokens

    def _add(self, kind: Kind, start: int, end: int, text: str) -> None:
        self.tokens.append(Token(kind, start, end, text, None, self.spaced))

    def _number(self, start: int, end: int, surface: str) -> None:
        if end - start > MAX_DIGITS:
            self._add(Kind.VARIABLE, start, end, "")
            return
        value = Fraction(_NOISE.sub("", surface))
        self.tokens.append(Token(Kind.NUMBER, start, end, surface, value, self.spaced, "digits"))

    def _percent(self, start: int, end: int, surface: str) -> None:
        last = self.tokens[-1] if self.tokens else None
        if last and last.kind is Kind.NUMBER and last.value is not None and start - last.end <= 3:
            self.tokens[-1] = last._replace(end=end, value=last.value / 100, form="percent")
        else:
            self._add(Kind.WORD, start, end, "%")

    def _word(self, start: int, end: int, surface: str) -> None:
        word = surface.lower()
        last = self.tokens[-1] if self.tokens else None
        attached = last is not None and last.end == start and last.kind in (Kind.NUMBER, Kind.CLOSE)
        if word == "percent" and last is not None and last.kind is Kind.NUMBER:
            self._percent(start, end, surface)
        elif word in OPERATOR_WORDS:
            self._add(Kind.OPERATOR, start, end, OPERATOR_WORDS[word])
        elif last is not None and last.kind is Kind.WORD and (last.text, word) in OPERATOR_PAIRS:
            sign = OPERATOR_PAIRS[last.text, word]
            self.tokens[-1] = Token(Kind.OPERATOR, last.start, end, sign, None, last.spaced)
        elif word in EQUALITY_WORDS:
            self._add(Kind.EQUAL, start, end, "=")
        elif word in _NUMERALS or word in PARTS:
            self._numeral(start, end, word)
        elif word in CLOCK_WORDS:
            self._add(Kind.VARIABLE, start, end, word)
        elif len(word) == 1 and self._is_times(end, word):
            self._add(Kind.OPERATOR, start, end, "*")
        elif _is_symbol(surface, attached):
            self._add(Kind.VARIABLE, start, end, surface)
        else:
            self._add(Kind.WORD, start, end, word)

    def _is_times(self, end: int, word: str) -> bool:
        """Whether an x stands between two operands, in a text where x is no variable."""
        if word != "x" or self.x_is_variable or not self.tokens:
            return False
        operand = self.tokens[-1].kind in (Kind.NUMBER, Kind.CLOSE, Kind.WORD)
        return operand and re.match(r"\s{0,3}\\?[$€£(]?\s?[\d.(]", self.text[end : end + 8]) is not None

    def _numeral(self, start: int, end: int, word: str) -> None:
        last = self.tokens[-1] if self.tokens else None
        before = last if last and last.kind is Kind.NUMBER and self._joins(last.end, start) else None
        value: Fraction | None = None
        if word in PARTS:
            self._part(start, end, word, before)
            return
        if word in SCALES and before and before.value is not None and before.form != "percent":
            value = before.value * SCALES[word]
        elif word in CARDINALS and before and before.form == "word":
            value = _composed(before, CARDINALS[word])
        elif word in ("quarters", "quarter", "halves", "half") and before and before.form == "word":
            value = (before.value or Fraction(1)) * MULTIPLES[word]
        if before and value is not None:
            self.tokens[-1] = before._replace(end=end, value=value, text=self.text[before.start : end])
            return
        table: dict[str, int | Fraction] = {**CARDINALS, **TENS, **SCALES, **MULTIPLES}
        self.tokens.append(Token(Kind.NUMBER, start, end, word, Fraction(table[word]), self.spaced, "word"))

    def _part(self, start: int, end: int, word: str, before: Token | None) -> None:
        """A third, two fifths; without a count or an article it is an ordinal, hence a word."""
        last = self.tokens[-1] if self.tokens else None
        if before and before.form == "word" and before.value is not None:
            value = before.value / PARTS[word]
            self.tokens[-1] = before._replace(end=end, value=value, text=self.text[before.start : end])
        elif last and last.text == "a" and last.kind is Kind.WORD:
            share = Fraction(1, PARTS[word])
            self.tokens.append(Token(Kind.NUMBER, start, end, word, share, self.spaced, "word"))
        else:
            self._add(Kind.WORD, start, end, word)

    def _joins(self, end: int, start: int) -> bool:
        return self.text[end:start] in (" ", "-", "‑")

    def _operator(self, start: int, end: int, surface: str) -> None:
        sign = _SIGNS.get(surface, surface)
        after = self.text[end : end + 1]
        last = self.tokens[-1] if self.tokens else None
        at_line_start = last is None or last.kind is Kind.LINE
        if surface in ("-", "*", "–", "+") and at_line_start and after in (" ", "*"):
            self._add(Kind.BREAK, start, end, surface)
        elif surface == "**" and not self._is_power(start, end):
            self.spaced = True
        elif surface in "-–" and last and last.end == start and last.kind is Kind.WORD and after.isalpha():
            pass
        elif surface in "-–" and last and last.end == start and last.kind is Kind.NUMBER and after.isalpha():
            self._hyphen(end)
        else:
            self._add(Kind.OPERATOR, start, end, sign)

    def _is_power(self, start: int, end: int) -> bool:
        left, right = self.text[max(0, start - 1) : start], self.text[end : end + 1]
        return bool(left) and (left.isdigit() or left == ")") and (right.isdigit() or right == "(")

    def _hyphen(self, end: int) -> None:
        """``10-year-old`` and ``twenty-one`` join; ``10-x`` subtracts."""
        if not self.text[end + 1 : end + 2].isalpha():
            self._add(Kind.OPERATOR, end - 1, end, "-")

    def _text(self, start: int, end: int, surface: str) -> None:
        content = surface[surface.index("{") + 1 : -1]
        if any(character.isdigit() for character in content) or "=" in content:
            offset = start + surface.index("{") + 1
            self.tokens += [_moved(token, offset) for token in scan(content)]
        else:
            self._add(Kind.WORD, start, end, content.strip(" .,;:()").lower() or "unit")

    def _skip(self, start: int, end: int, surface: str) -> None:
        self.spaced = True

    def _root(self, start: int, end: int, surface: str) -> None:
        name = "frac" if surface.endswith("frac") else "binom" if surface.endswith("binom") else "sqrt"
        self._add(Kind.COMMAND, start, end, name)

    def _display(self, start: int, end: int, surface: str) -> None:
        self._add(Kind.BREAK, start, end, "display")


def _is_symbol(surface: str, attached: bool) -> bool:
    """Whether letters are a variable: a single one, or anything but a unit right behind a number."""
    if len(surface) == 1:
        return attached or surface not in "aAI"
    return attached and surface.lower() not in ATTACHED_UNITS


def _moved(token: Token, offset: int) -> Token:
    return token._replace(start=token.start + offset, end=token.end + offset)


def _composed(before: Token, units: int) -> Fraction | None:
    """Twenty + one, two hundred + five; None where the words are two numbers."""
    value = before.value
    if value is None or value.denominator != 1:
        return None
    room = 10 if value % 100 and value % 10 == 0 and value >= 20 else 100 if value and value % 100 == 0 else 0
    return value + units if 0 < units < room else None


_Handler = Callable[[_Scanner, int, int, str], None]


def _adds(kind: Kind, text: str | None = None) -> _Handler:
    """A handler that adds one token of `kind` whose text is `text` or the surface."""

    def handle(scanner: _Scanner, start: int, end: int, surface: str) -> None:
        scanner._add(kind, start, end, surface.lstrip("\\") if text is None else text)

    return handle


_HANDLERS: dict[str, _Handler] = {
    "note": _adds(Kind.NOTE),
    "clock": _adds(Kind.VARIABLE),
    "number": _Scanner._number,
    "word": _Scanner._word,
    "text": _Scanner._text,
    "operator": _Scanner._operator,
    "approx": _adds(Kind.EQUAL, "≈"),
    "relation": _adds(Kind.VARIABLE, "relation"),
    "equal": _adds(Kind.EQUAL, "="),
    "root": _Scanner._root,
    "percent": _Scanner._percent,
    "display": _Scanner._display,
    "row": _adds(Kind.LINE),
    "command": _adds(Kind.VARIABLE),
    "open": _adds(Kind.OPEN),
    "close": _adds(Kind.CLOSE),
    "line": _adds(Kind.LINE),
    "factorial": _adds(Kind.OPERATOR, "!"),
    "variable": _adds(Kind.VARIABLE),
    "other": _adds(Kind.BREAK),
}
