"""Shows on stderr how a study goes on: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class StudyWatch(Protocol):
    """Who is told how a study goes on."""

    def say(self, sentence: str) -> None:
        """A stage begins."""
        ...

    def shown(self, stage: str, done: int, known: int) -> None:
        """A task is done: of which stage, and how many are done of those known."""
        ...


class PlainWatch:
    """One line a stage and one a task."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def say(self, sentence: str) -> None:
        """Print it."""
        print(sentence, file=sys.stderr, flush=True)

    def shown(self, stage: str, done: int, known: int) -> None:
        """Print it."""
        print(f"  {stage}: {done} of {known} tasks", file=sys.stderr, flush=True)


class BarWatch:
    """A bar over the tasks of the stage under way."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
        self._task = self._bar.add_task("", total=None)
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, sentence: str) -> None:
        """Print it above the bar."""
        if self._bar is not None and self._task is not None:
            self._bar.console.print(sentence)
            self._bar.reset(self._task, description=sentence, total=None)

    def shown(self, stage: str, done: int, known: int) -> None:
        """Move the bar."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=known, description=stage)


def study_watch() -> PlainWatch | BarWatch:
    """What suits stderr."""
    return BarWatch() if sys.stderr.isatty() else PlainWatch()
