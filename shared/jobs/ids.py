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
