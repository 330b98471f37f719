"""Fetches what came of a job into files; what an interrupted fetch has left is gone on with.

While it is fetched, a file bears the id of its job in its name, ``OUT.jsonl.JOB.part``, so that lines of two
jobs never meet in one file.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Protocol

from services.embedded.jobwatch import JobWatch
from services.embedded.runstate import sync_folder
from shared.clients.platform import Job, PlatformClient
from shared.clients.platform.rows import line_of
from shared.errors import InputError

_BLOCK = 1 << 20
Source = Callable[[str, int], Iterator[bytes]]


class Sink(Protocol):
    """Where rows go; what comes next lies behind line `after` of the input."""

    after: int

    def write(self, row: bytes) -> None:
        """One more row."""
        ...

    def flush(self) -> None:
        """Let others see what was written."""
        ...

    def finish(self) -> None:
        """All rows are there."""
        ...


class PipeSink:
    """A stream that is open already; nothing of it can be resumed."""

    def __init__(self, stream: BinaryIO) -> None:
        self.after = 0
        self._stream = stream

    def write(self, row: bytes) -> None:
        """See Sink."""
        self._stream.write(row)
        self.after = line_of(row)

    def flush(self) -> None:
        """See Sink."""
        self._stream.flush()

    def finish(self) -> None:
        """See Sink."""


class FileSink:
    """A file that gets its name when it is complete; use as a context manager.

    `keep_empty`: whether a file without any row is wanted. InputError where another process fetches into it.
    """

    def __init__(self, target: Path, job_id: str, *, fresh: bool, keep_empty: bool) -> None:
        if target.exists() and not fresh:
            raise InputError(f"{target} exists; name another file, or overwrite it with --fresh")
        self.after = 0
        self._target = target
        self._part = target.with_name(f"{target.name}.{job_id}.part")
        self._keep_empty = keep_empty

    def __enter__(self) -> FileSink:
        self._stream = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._stream.close()
            raise InputError(f"{self._part} is being fetched by another process; wait for its end") from None
        self.after = cut_at_last_line(self._stream)
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def write(self, row: bytes) -> None:
        """See Sink."""
        self._stream.write(row)
        self.after = line_of(row)

    def flush(self) -> None:
        """See Sink."""
        self._stream.flush()

    def finish(self) -> None:
        """See Sink."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        if self._stream.tell() or self._keep_empty:
            self._part.replace(self._target)
        else:
            self._part.unlink()
            self._target.unlink(missing_ok=True)
        sync_folder(self._target.parent)


def cut_at_last_line(stream: BinaryIO) -> int:
    """Cut off what stands behind the last line break and stand there; the line that the last row names.

    0 where there is no whole row.
    """
    end = _last_break(stream, stream.seek(0, os.SEEK_END))
    stream.truncate(end)
    begin = _last_break(stream, end - 1) if end else 0
    stream.seek(begin)
    row = stream.read(end - begin)
    return line_of(row) if row else 0


def _last_break(stream: BinaryIO, end: int) -> int:
    """Offset behind the last line break before `end`; 0 where there is none."""
    while end > 0:
        start = max(0, end - _BLOCK)
        stream.seek(start)
        found = stream.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def fetch(
    client: PlatformClient,
    job_id: str,
    output: Path | None,
    errors: Path | None,
    *,
    fresh: bool,
    watch: JobWatch,
) -> Job:
    """Writes records and errors as the job goes on, until it has ended; the ended job.

    `output` None is stdout, and then `errors` None is stderr; else beside the output, if there are any.
    """
    client.job(job_id)
    with ExitStack() as stack:
        records = _records(job_id, output, fresh, stack)
        faults = _faults(job_id, output, errors, fresh, stack)
        stack.enter_context(watch)
        for job in client.watch(job_id):
            _append(client.results, job_id, records)
            seen = records.after
            _append(client.errors, job_id, faults)
            # A finished prefix is finished in both, so that nobody has to look there again.
            faults.after = max(faults.after, seen)
            watch.advance(job)
        records.finish()
        faults.finish()
    return job


def _records(job_id: str, output: Path | None, fresh: bool, stack: ExitStack) -> Sink:
    if output is None:
        return PipeSink(sys.stdout.buffer)
    return stack.enter_context(FileSink(output, job_id, fresh=fresh, keep_empty=True))


def _faults(job_id: str, output: Path | None, errors: Path | None, fresh: bool, stack: ExitStack) -> Sink:
    if errors is None and output is None:
        return PipeSink(sys.stderr.buffer)
    target = errors or Path(f"{output}.errors.jsonl")
    return stack.enter_context(FileSink(target, job_id, fresh=fresh, keep_empty=errors is not None))


def _append(source: Source, job_id: str, sink: Sink) -> None:
    """Writes what has come since, as far as it comes."""
    try:
        for row in source(job_id, sink.after):
            sink.write(row)
    finally:
        sink.flush()
