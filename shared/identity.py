"""What determines a result: flat settings by dotted name, digested for records, compared before a resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from shared.errors import DriftError

Setting = str | int | float | bool | None


def digest_of(value: object) -> str:
    """sha256 over the canonical JSON of `value`, the first 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def flat(value: Mapping[str, object], prefix: str = "") -> dict[str, Setting]:
    """Nested settings by dotted name."""
    found: dict[str, Setting] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            found |= flat(inner, f"{prefix}{name}.")
        else:
            found[prefix + name] = inner if isinstance(inner, str | int | float | None) else str(inner)
    return found


def check_drift(before: Mapping[str, Setting], now: Mapping[str, Setting]) -> None:
    """DriftError naming every entry of `now` that was another one before."""
    changed = [name for name in now if name in before and before[name] != now[name]]
    if changed:
        raise DriftError(tuple(f"{name}: {before[name]} -> {now[name]}" for name in changed))
