"""The key file: which lines it holds, and what they promise a tenant, whichever service asks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import FieldError
from shared.jobs.webhooks import check_secret

KEY_FILE = "IDIOLECT_GATEWAY_KEY_FILE"


@dataclass(frozen=True, slots=True)
class Promise:
    """What holds for everything of a tenant.

    Attributes:
        retention_days: days after which a job that has ended and a file are deleted; None: never.
        webhook_secret: with which its webhooks are signed, ``whsec_...``; None: it can have none.
    """

    retention_days: float | None = None
    webhook_secret: str | None = None

    @classmethod
    def of(cls, place: str, item: Mapping[str, Any]) -> Promise:
        """That of a line of the key file, which stands at `place`. FieldError where it can't be kept."""
        days, secret = item.get("retention_days"), item.get("webhook_secret")
        if days is not None and (isinstance(days, bool) or not isinstance(days, int | float) or not days > 0):
            raise FieldError(f"{place}: retention_days", f"is {days!r:.40}", "give a number of days above 0")
        if secret is not None:
            _check(place, secret)
        return cls(days, secret)


def _check(place: str, secret: object) -> None:
    """The error doesn't repeat the secret."""
    try:
        check_secret(secret if isinstance(secret, str) else "")
    except FieldError as error:
        raise FieldError(f"{place}: {error.field}", error.problem, error.cure) from None


def key_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(FILE:LINE, object) of every line of a key file. FieldError where it can't be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        raise FieldError("key_file", f"{path} can't be read ({reason})", "name a file") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield f"{path}:{number}", _object(f"{path}:{number}", line)


def _object(place: str, line: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except ValueError:
        item = None
    if not isinstance(item, dict):
        raise FieldError(place, "is no JSON object", 'write {"tenant": "NAME", "sha256": "..."}')
    return item


def read_promises(path: Path | None) -> dict[str, Promise]:
    """What holds for each tenant of a key file; nothing without one.

    FieldError where two keys of one tenant say different things: what they speak of belongs to both.
    """
    found: dict[str, Promise] = {}
    for place, item in key_lines(path) if path is not None else ():
        promise, tenant = Promise.of(place, item), str(item.get("tenant"))
        if found.setdefault(tenant, promise) != promise:
            cure = "give all keys of a tenant the same retention_days and webhook_secret"
            raise FieldError(place, f"differs from an earlier key of {tenant}", cure)
    return found
