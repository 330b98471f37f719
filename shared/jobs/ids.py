"""Random ids that sort by the time at which they were made."""

from __future__ import annotations

import secrets
import time

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(kind: str, now: float | None = None) -> str:
    """``KIND-`` and 26 characters: 50 bits of milliseconds, then 80 random bits (Crockford's base 32)."""
    milliseconds = int((time.time() if now is None else now) * 1000)
    number = milliseconds << 80 | secrets.randbits(80)
    return f"{kind}-" + "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


def turned(some_id: str) -> str:
    """The 26 characters of an id turned round, so that newer ones sort first."""
    return "".join(_DIGITS[31 - _DIGITS.index(digit)] for digit in some_id.rpartition("-")[2])


def turned_back(kind: str, turned_digits: str) -> str:
    """The id that `turned` was given."""
    return f"{kind}-{turned(turned_digits)}"


def is_id(kind: str, text: str) -> bool:
    """Whether a text can be an id of that kind."""
    prefix, _, digits = text.rpartition("-")
    return prefix == kind and len(digits) == 26 and set(digits) <= set(_DIGITS)
