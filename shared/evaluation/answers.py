"""When two final answers are the same, for votes among wrong ones: numbers by value, all else by text."""

from __future__ import annotations

import re
from fractions import Fraction

_LONGEST = 100
_NUMBER = re.compile(
    r"(?P<sign>[-+−]?)\\?[$€£]?(?:\\[dt]?frac\{(?P<top>\d+)\}\{(?P<bottom>\d+)\}"
    r"|(?P<over>\d+)/(?P<under>\d+)|(?P<decimal>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+))(?P<share>\\?%)?"
)
_NOISE = re.compile(r"\\(?:left|right|displaystyle)(?![a-z])|\\[,;:! ]|[\s$]+|\\[()\[\]]|\{,\}(?=\d)")


def answer_key(answer: str | None) -> str:
    """Equal for answers that are equal by eye: `1,200`, `$1200.0$` and `1200` have one key.

    White space, dollar signs, delimiters and spacing commands of formulas, a final stop and the case of
    letters don't count; whole numbers, decimals and fractions of them are compared by value.
    """
    text = _NOISE.sub("", answer or "").rstrip(".,;:").lower()
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    value = None if match is None else _value(match)
    return text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac") if value is None else str(value)


def _value(match: re.Match[str]) -> Fraction | None:
    if match["decimal"]:
        value = Fraction(match["decimal"].replace(",", ""))
    else:
        top, bottom = match["top"] or match["over"], match["bottom"] or match["under"]
        if not int(bottom):
            return None
        value = Fraction(int(top), int(bottom))
    signed = -value if match["sign"] and match["sign"] in "-−" else value
    return signed / 100 if match["share"] else signed
