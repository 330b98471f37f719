"""Plain answers, decided in process: bare numbers by exact rationals, choice letters by eye.

Everything here is linear in its input, and only short inputs come this far.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_CURRENCY = r"(?:\\?\$|[€£¥₹]|USD|EUR|GBP|Rs\.?)"
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d*)?|\.\d+)"
_NUMBER = re.compile(
    rf"(?P<sign>[-+−]?)\s*{_CURRENCY}?\s*(?P<sign2>-?)\s*"
    rf"(?:\\[dtc]?frac\{{(?P<top>\d+)\}}\{{(?P<bottom>\d+)\}}"
    rf"|(?P<over>\d+)\s*/\s*(?P<under>\d+)"
    rf"|(?P<decimal>{_DECIMAL}))"
    r"(?P<tail>.*)",
    re.DOTALL,
)
_LONGEST_NUMBER = 4000  # digits that Python turns into a number without complaint: 4300
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_UNIT = re.compile(r"(?:\\text(?:bf|rm)?\{\s*)?(?P<words>[A-Za-z]{2,}\.?(?:[ /][A-Za-z]{2,}\.?){0,2})\s*\}?")
_NOT_A_UNIT = re.compile(
    "pi|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|mod|choose|and|or|to|by|in|if|from|than|theta|alpha|beta"
    "|gamma|times|plus|minus|over|degrees?|not|is|infinity|inf|base|hundred|thousand|million|billion"
    "|trillion|dozen|half|halves|thirds?|quarters?"
)
_DRESSING = (
    (re.compile(r"(?<!\\)\\(?:left|right|displaystyle|[,;:! ])(?![a-z])"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
)
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))


def undress(text: str) -> str:
    """`text` without outer white space, math delimiters, emphasis, spacing commands and final stop."""
    text = text.strip()
    for pattern, plain in _DRESSING:
        text = pattern.sub(plain, text)
    text = text.strip().rstrip(".,;:。，").strip()
    for opening, closing in _DELIMITERS:
        inner = text[len(opening) : len(text) - len(closing)]
        if len(text) > len(opening + closing) and text == opening + inner + closing and opening not in inner:
            return undress(inner)
    return text


@dataclass(frozen=True, slots=True)
class PlainNumber:
    """An exact value; `inexact` where it was written with a decimal point, `percent` where with %."""

    value: Fraction
    inexact: bool
    percent: bool

    def equals(self, other: PlainNumber, precision: int) -> bool:
        """Equal exactly, or to `precision` decimals where either was written with a point.

        A percentage equals both its figure and its value: 9 % is 9 and is 0.09.
        """
        if self.percent == other.percent:
            return self._close(self.value, other.value, self.inexact or other.inexact, precision)
        share, whole = (self, other) if self.percent else (other, self)
        inexact = share.inexact or whole.inexact
        return self._close(share.value, whole.value, inexact, precision) or self._close(
            share.value / 100, whole.value, inexact, precision
        )

    @staticmethod
    def _close(a: Fraction, b: Fraction, inexact: bool, precision: int) -> bool:
        return a == b or (inexact and round(a, precision) == round(b, precision))


def plain_number(text: str) -> PlainNumber | None:
    """The number that `text` consists of (currency, separators, per cent and a unit allowed), or None."""
    match = _NUMBER.fullmatch(undress(text)) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        return None
    tail = _tail(match["tail"].strip())
    value = _magnitude(match)
    if tail is None or value is None:
        return None
    scale, percent = tail
    negative = (match["sign"] in "-−" and match["sign"] != "") != (match["sign2"] == "-")
    return PlainNumber(
        -value * scale if negative else value * scale, "." in (match["decimal"] or ""), percent
    )


def _magnitude(match: re.Match[str]) -> Fraction | None:
    if match["decimal"]:
        return Fraction(match["decimal"].replace(",", ""))
    top, bottom = match["top"] or match["over"], match["bottom"] or match["under"]
    return Fraction(int(top), int(bottom)) if int(bottom) else None


def _tail(tail: str) -> tuple[int, bool] | None:
    """Scale and per cent of what follows a number; None where it isn't a unit."""
    if tail == "":
        return 1, False
    if tail.lower() in {"%", r"\%", "percent", "per cent", "pct", "percentage"}:
        return 1, True
    if tail.lower() in _SCALES:
        return _SCALES[tail.lower()], False
    unit = _UNIT.fullmatch(tail)
    if unit is None or any(map(_NOT_A_UNIT.fullmatch, re.split(r"[ /.]+", unit["words"].lower()))):
        return None
    return 1, False


def same_numbers(gold: str, answer: str, precision: int = 6) -> bool | None:
    """Whether two plain numbers are equal; None unless both are plain numbers."""
    first, second = plain_number(gold), plain_number(answer)
    if first is None or second is None:
        return None
    return first.equals(second, precision)


_LETTER = r"\(?(?P<letter>[A-HJ])(?![A-Za-z'’])"
_LETTER_ALONE = re.compile(
    r"(?:choice|option)?[\s_\\]*\(?(?:\\(?:text|textbf|mathrm|mathbf)\{)?\s*\(?\s*(?P<letter>[A-Ja-j])\s*\)?\s*\}?\)?",
    re.IGNORECASE,
)
_LETTER_NAMED = re.compile(rf"(?i:choice|option)[\s_\\]*{_LETTER}")
_LETTER_TOLD = re.compile(
    rf"(?:answer|réponse|respuesta|antwort|答案)[^A-Z\n]{{0,40}}?(?<![A-Za-z]){_LETTER}"
)
_LETTER_FIRST = re.compile(r"\(?(?P<letter>[A-HJ])(?:\)|[.:,。，](?!\d)|\s+(?![=+*/<>^_-])|(?=[^\x00-\x7f]))")
_LETTER_ANYWHERE = re.compile(rf"(?<!not )(?<!n't )(?<![A-Za-z\\'’]){_LETTER}")
_SEVERAL_LETTERS = re.compile(
    r"[A-J]\s*(?:/|,|\bor\b|\band\b)\s*(?:(?:or|and)\s+)?[A-J](?![A-Za-z])|\b[Nn]one of\b"
)
_FORMULA = re.compile(r"[=+*^<>]")


def choice_letter(text: str) -> str | None:
    """The letter that `text` alone consists of, as in ``(B)``, ``\\text{B}`` or ``Choice_B``; or None."""
    match = _LETTER_ALONE.fullmatch(undress(text))
    return match["letter"].upper() if match else None


def chosen_letter(text: str) -> str | None:
    """The choice that a sentence settles on ("I think it's B, not A"), or None."""
    alone = choice_letter(text)
    if alone:
        return alone
    for pattern in (_LETTER_NAMED, _LETTER_TOLD):
        told = list(pattern.finditer(text))
        if told:
            return None if _SEVERAL_LETTERS.match(text, told[-1].start("letter")) else told[-1]["letter"]
    first = _LETTER_FIRST.match(text.strip())
    if first:
        return first["letter"]
    if _SEVERAL_LETTERS.search(text) or _FORMULA.search(text):
        return None
    rest = list(_LETTER_ANYWHERE.finditer(text))
    return rest[-1]["letter"] if rest else None
