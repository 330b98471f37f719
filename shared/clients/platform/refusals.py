"""What a gateway's error means: its envelope as the error of this project that it was made from."""

from __future__ import annotations

import json
import re
from typing import Any

from shared import errors
from shared.errors import (
    BusyError,
    DriftError,
    FieldError,
    IdiolectError,
    InputError,
    MismatchError,
    NotFoundError,
    UnavailableError,
)

_PLAIN: dict[str, type[IdiolectError]] = {
    "unavailable": errors.UnavailableError,
    "unsupported": errors.UnsupportedError,
    "budget_exhausted": errors.BudgetError,
    "integrity": errors.IntegrityError,
    "slow_body": errors.UnavailableError,
}
_BUSY_SECONDS = 1.0
_AGAIN = re.compile(r"; (?:try|ask) again in [\d.e+]+ s$")
_CHANGED = "because this changed: "
_DIGESTS = re.compile(r"model_digest: (\S+) is expected but (\S+) is served")


def refusal(status: int, body: bytes, retry_after: str | None = None) -> IdiolectError:
    """The error of an answer with that status; `retry_after` is the header of that name."""
    told = _told(body)
    if told is None:
        return _of_stranger(status, body)
    message, code, param = str(told.get("message")), str(told.get("code")), told.get("param")
    if code in ("busy", "rate_limit_exceeded"):
        return BusyError(_AGAIN.sub("", message), _seconds(retry_after))
    if code in _PLAIN:
        return _PLAIN[code](message)
    if status == 401:
        return FieldError(
            "key", message.partition("; ")[0], "name a file with --key-file or set IDIOLECT_KEY"
        )
    if status == 404:
        return NotFoundError(message)
    if status == 409:
        return _conflict(message)
    if status >= 500:
        return IdiolectError(message)
    return _of_field(message, param) if isinstance(param, str) else InputError(message)


def _told(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _of_stranger(status: int, body: bytes) -> IdiolectError:
    """Something stands between the caller and the gateway, or the address is another's."""
    said = " ".join(body[:200].decode("utf-8", "replace").split())
    text = f"HTTP {status} from what is no gateway: {said or 'nothing more'}"
    if status in (408, 429) or status >= 500:
        return UnavailableError(text)
    return InputError(f"{text}; check the address")


def _seconds(header: str | None) -> float:
    try:
        return max(0.0, float(header or _BUSY_SECONDS))
    except ValueError:
        return _BUSY_SECONDS


def _conflict(message: str) -> IdiolectError:
    _, sign, changed = message.partition(_CHANGED)
    if sign:
        return DriftError(tuple(changed.split("; ")))
    digests = _DIGESTS.match(message)
    return MismatchError(digests[1], digests[2]) if digests else InputError(message)


def _of_field(message: str, param: str) -> FieldError:
    problem, sign, cure = message.removeprefix(f"{param}: ").rpartition("; ")
    return FieldError(param, problem, cure) if sign else FieldError(param, cure, "give another value")
