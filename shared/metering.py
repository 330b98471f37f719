"""Counts the tokens that a piece of work spends, wherever below it they are spent.

Whoever wants to know opens a meter; whoever spends says so. Without a meter nobody listens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that language models read and wrote."""

    tokens_in: int = 0
    tokens_out: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out)

    def __sub__(self, other: Usage) -> Usage:
        return Usage(self.tokens_in - other.tokens_in, self.tokens_out - other.tokens_out)

    @property
    def total(self) -> int:
        """Tokens in both directions."""
        return self.tokens_in + self.tokens_out


class Meter:
    """Adds up; safe to use from several threads and tasks."""

    def __init__(self, outer: Meter | None = None) -> None:
        """`outer` is told everything too."""
        self._outer = outer
        self._lock = threading.Lock()
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """What was spent so far."""
        return self._usage

    def add(self, usage: Usage) -> None:
        """Something was spent."""
        with self._lock:
            self._usage += usage
        if self._outer is not None:
            self._outer.add(usage)


_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


@contextmanager
def metered() -> Iterator[Meter]:
    """A meter for what this thread, and tasks that it starts, spend within the context."""
    meter = Meter(_METER.get())
    before = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(before)


def metered_from_here() -> Meter:
    """A meter for the rest of this task, which must be one that ends with the work."""
    meter = Meter()
    _METER.set(meter)
    return meter


def spent_so_far() -> Usage:
    """What the meter of this thread or task shows; nothing without one."""
    meter = _METER.get()
    return Usage() if meter is None else meter.usage


def spend(usage: Usage) -> None:
    """Tell the meter of this thread or task, if there is one."""
    meter = _METER.get()
    if meter is not None and usage.total:
        meter.add(usage)
