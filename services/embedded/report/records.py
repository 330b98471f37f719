"""Reads result files one line at a time, so that a report of any size fits in the same memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.embedded.report.shape import Record, readable
from shared.errors import InputError


@dataclass
class ResultFile:
    """One result file: where it is, how it is called on the page, and the lines that were no records.

    Attributes:
        name: shown on the page: the file's own name, its path where two files have the same name.
        unreadable: 1-based numbers of the lines that hold no record, the first few of them.
        left_out: how many lines hold no record.
    """

    path: Path
    name: str
    unreadable: list[int] = field(default_factory=list)
    left_out: int = 0

    def records(self) -> Iterator[tuple[int, Record]]:
        """The records in file order, each with its offset; a line that is none is counted, not raised."""
        offset = 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                record = parsed(line)
                if record is not None:
                    yield offset, record
                elif line.strip():
                    self._leave_out(number)
                offset += len(line)

    def records_at(self, offsets: list[int]) -> Iterator[Record]:
        """The records that `records` found at some offsets."""
        with self.path.open("rb") as lines:
            for offset in offsets:
                lines.seek(offset)
                yield json.loads(lines.readline())

    def _leave_out(self, number: int) -> None:
        self.left_out += 1
        if len(self.unreadable) < 5:
            self.unreadable.append(number)


def parsed(line: bytes) -> Record | None:
    """The record of one line, None where the line holds none."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if readable(value) else None


def result_files(paths: list[Path]) -> list[ResultFile]:
    """The files to report on, each under a name of its own.

    Raises:
        InputError: a path is no file, or is named twice.
    """
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file; give the output of `idiolect refine`")
    if len({path.resolve() for path in paths}) < len(paths):
        raise InputError("a result file is named twice; name each file once")
    names = [path.name for path in paths]
    return [ResultFile(path, path.name if names.count(path.name) == 1 else str(path)) for path in paths]
