"""The calls to services that this process waits for now."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_LOCK = threading.Lock()
_CALLS: defaultdict[int, list[Call]] = defaultdict(list)


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a method; `since` is a reading of the monotonic clock, in seconds."""

    service: str
    method: str
    since: float

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return time.monotonic() - self.since


@contextmanager
def under_way(service: str, method: str) -> Iterator[None]:
    """A call is made by this thread for as long as the context lasts."""
    thread, call = threading.get_ident(), Call(service, method, time.monotonic())
    with _LOCK:
        _CALLS[thread].append(call)
    try:
        yield
    finally:
        _ended(thread, call)


def _ended(thread: int, call: Call) -> None:
    # A stream may be closed by another thread than its first, or when others have begun: it is looked for.
    with _LOCK:
        for place, other in enumerate(_CALLS[thread]):
            if other is call:
                del _CALLS[thread][place]
                break
        if not _CALLS[thread]:
            del _CALLS[thread]


def awaited() -> list[Call]:
    """What each thread waits for, the longest first; of calls within calls the innermost."""
    with _LOCK:
        inner = [calls[-1] for calls in _CALLS.values() if calls]
    return sorted(inner, key=lambda call: call.since)
