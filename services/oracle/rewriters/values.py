"""Numbers set the way a text sets them."""

from __future__ import annotations

from fractions import Fraction

PLACES = 6
"""Most decimals that are written out; a longer or endless decimal is rounded to two."""


def format_value(value: Fraction, like: str = "", grouped: bool = False) -> str:
    """`value` in digits, with the decimals and thousands separators that `like` shows.

    An endless decimal is rounded to two places: arithmetic that is aware of rounding reads it as true.
    """
    sign = "-" if value < 0 else ""
    magnitude = abs(value)
    places = _places(magnitude, like)
    scaled = round(magnitude * 10**places)
    whole, rest = divmod(scaled, 10**places)
    digits = f"{whole:,}" if "," in like or (grouped and whole >= 1000) else str(whole)
    return f"{sign}{digits}" + (f".{rest:0{places}d}" if places else "")


def _places(value: Fraction, like: str) -> int:
    shown = len(like.rpartition(".")[2]) if "." in like and like.endswith("0") else 0
    for places in range(PLACES + 1):
        if (value * 10**places).denominator == 1:
            return max(places, shown) if places or shown == 2 else 0
    return 2


def is_short(value: Fraction) -> bool:
    """Whether the value is exact with at most six decimals."""
    return bool((value * 10**PLACES).denominator == 1)
