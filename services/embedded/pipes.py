"""A run from or to a pipe: in order, in bounded memory, but not resumable."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.embedded.runs import RunFiles, Watch, advanced, limited
from services.embedded.runstate import Position
from services.pipeline.conveyor import Workshop, settle
from shared.errors import InputError
from shared.jsonl import raw_lines

_SPOOLED_IN_MEMORY = 2**23


def refine_stream(
    source: BinaryIO, output: BinaryIO, errors: BinaryIO, workshop: Workshop, watch: Watch, limit: int | None
) -> Position:
    """Settles every line of `source`; each result is flushed, so that a reader sees it at once."""
    position = Position()
    for settled in settle(limited(raw_lines(source), limit), workshop):
        output.write(settled.record)
        output.flush()
        errors.write(settled.error)
        errors.flush()
        position = advanced(position, settled)
        watch.advance(position)
    return position


@contextmanager
def opened_source(source: Path | None, *, twice: bool) -> Iterator[BinaryIO]:
    """The input, stdin where it is None; kept in a temporary file where it must be read `twice`."""
    if source is not None:
        with source.open("rb") as stream:
            yield stream
    elif not twice:
        yield sys.stdin.buffer
    else:
        with tempfile.SpooledTemporaryFile(_SPOOLED_IN_MEMORY) as spooled:
            shutil.copyfileobj(sys.stdin.buffer, spooled)
            spooled.seek(0)
            yield spooled  # type: ignore[misc]  # it has every method of BinaryIO


@contextmanager
def opened_output(output: Path | None, *, fresh: bool) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Output and errors, stdout and stderr where it is None; files get their names when all is written."""
    if output is None:
        yield sys.stdout.buffer, sys.stderr.buffer
        return
    if output.exists() and not fresh:
        raise InputError(f"{output} exists, and a run from a pipe can't be resumed; see --fresh")
    files = RunFiles(output)
    parts = [path.with_name(path.name + ".part") for path in (files.output, files.errors)]
    with parts[0].open("wb") as records, parts[1].open("wb") as errors:
        yield records, errors
    parts[0].replace(files.output)
    if parts[1].stat().st_size:
        parts[1].replace(files.errors)
    else:
        parts[1].unlink()
