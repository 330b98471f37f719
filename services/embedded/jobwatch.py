"""Shows how a job goes on, and says how it ended: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from services.embedded.exits import BAD_LINES, DONE, INTERRUPTED
from shared.clients.platform.views import Job
from shared.errors import InputError
from shared.jobs.order import JobState

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SECONDS_BETWEEN_LINES = 10.0
_FAULTS = ("bad", "failed")


class JobWatch(Protocol):
    """Shows one job; use as a context manager."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put away what is shown."""
        ...

    def advance(self, job: Job) -> None:
        """The job stands so now."""
        ...


class PlainJobWatch:
    """A line for each new status, and every ten seconds."""

    def __init__(self) -> None:
        self._status: JobState | None = None
        self._shown = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def advance(self, job: Job) -> None:
        """See JobWatch."""
        now = time.monotonic()
        if job.status is not self._status or now - self._shown >= _SECONDS_BETWEEN_LINES:
            self._status, self._shown = job.status, now
            print(f"line {job.done} of {job.lines}: {told(job)}", file=sys.stderr, flush=True)


class JobBar:
    """A bar over the lines of the job."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        # On a narrow terminal the counts go on in a further line, and the rest stays as it is.
        columns = (
            BarColumn(20),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.description}", markup=False, table_column=Column()),
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

    def advance(self, job: Job) -> None:
        """See JobWatch."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=job.done, total=job.lines, description=told(job))


def job_watch() -> JobWatch:
    """What suits stderr."""
    return JobBar() if sys.stderr.isatty() else PlainJobWatch()


def told(job: Job) -> str:
    """``running, 3 kept, 2 repaired``."""
    return ", ".join([job.status.value, *(f"{number} {name}" for name, number in job.counts.items())])


def watched(states: Iterable[Job]) -> Job:
    """Shows a job until it has ended; the last state."""
    with job_watch() as watch:
        for job in states:
            watch.advance(job)
    return job


def ending(job: Job) -> int:
    """The exit code of a job that has ended; InputError where it failed.

    3: some lines have no record. 130: it was cancelled, and only its finished lines are there.
    """
    if job.status is JobState.FAILED:
        raise InputError(f"{job.id} failed: {job.reason or 'the log of the workers says why'}")
    if job.status is JobState.CANCELLED:
        print(f"idiolect: {job.id} was cancelled; {job.done} of {job.lines} lines are done", file=sys.stderr)
        return INTERRUPTED
    return BAD_LINES if any(job.counts.get(name, 0) for name in _FAULTS) else DONE


def as_json(job: Job) -> str:
    """One line of JSON."""
    shown: dict[str, Any] = dataclasses.asdict(job)
    return json.dumps(shown, ensure_ascii=False)
