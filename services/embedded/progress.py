"""Shows on stderr how a run goes on: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from services.embedded.runstate import Position

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SECONDS_BETWEEN_LINES = 10.0


class PlainWatch:
    """One line every ten seconds: share of the input, rate, counts by outcome."""

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._begun = self._shown = time.monotonic()
        self._first: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def advance(self, position: Position) -> None:
        """Says something if the last line is old enough."""
        now = time.monotonic()
        if self._first is None:
            self._first = position.records
        if now - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = now
            rate = (position.records - self._first) / (now - self._begun)
            share = f"{position.offset / self._size:.0%}, " if self._size else ""
            print(f"line {position.line}: {share}{rate:.1f}/s, {told(position)}", file=sys.stderr, flush=True)


class BarWatch:
    """A bar over the bytes of the input with rate and counts by outcome."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._first: int | None = None
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
        self._task = self._bar.add_task("", total=self._size)
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, position: Position) -> None:
        """Moves the bar."""
        if self._first is None:
            self._first = position.records
        rate = (position.records - self._first) / max(1e-3, time.monotonic() - self._begun)
        if self._bar is not None and self._task is not None:
            words = f"{rate:.1f}/s  {told(position)}"
            self._bar.update(self._task, completed=position.offset, description=words)


def watch_for(size: int | None) -> PlainWatch | BarWatch:
    """What suits stderr; `size` is that of the input in bytes, None where it isn't known."""
    return BarWatch(size) if size is not None and sys.stderr.isatty() else PlainWatch(size)


def told(position: Position) -> str:
    """``3 kept, 2 repaired, 1 bad line``."""
    return ", ".join(f"{number} {name}" for name, number in counts(position).items()) or "nothing"


def counts(position: Position) -> Mapping[str, int]:
    """Records by outcome and, where there are any, bad lines."""
    bad = {"bad lines": position.bad} if position.bad else {}
    return {**position.outcomes, **bad}
