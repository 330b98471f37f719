"""When to ask again, and after how long: exponential backoff with full jitter, or as the server asks."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping

from services.inference.openai.settings import OpenAISettings

# 408 time-out, 409 conflict (a lock), 425 too early, 429 too many; from 500 on it is the server's trouble.
_PASSING = frozenset({408, 409, 425, 429})
# A 429 with one of these codes won't pass by waiting.
_SPENT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
# 501: the server will never do this.
_NEVER = 501


def passing(status: int, code: str | None) -> bool:
    """Whether an answer with this status (and the code in its body) may differ next time."""
    if code in _SPENT_CODES or status == _NEVER:
        return False
    return status in _PASSING or status >= 500


def wait_before(attempt: int, asked: float | None, draw: float, settings: OpenAISettings) -> float | None:
    """Seconds to wait before retry number `attempt` (1-based), or None to give up.

    Args:
        attempt: the retry that would come. asked: seconds that the server asks for, if it does.
        draw: uniform in [0, 1). settings: how patient we are.
    """
    if attempt > settings.max_retries or (asked is not None and asked > settings.longest_wait):
        return None
    # 2^30 first waits are longer than any patience, and larger powers overflow in the end.
    ceiling = min(settings.longest_wait, settings.first_wait * 2.0 ** min(attempt - 1, 30))
    return (asked or 0.0) + draw * ceiling


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``retry-after-ms`` or ``retry-after`` (seconds or a date) ask for; None without them."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return seconds / scale
    return _until(headers.get("retry-after"))


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _until(date: str | None) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())
