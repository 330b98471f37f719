"""What ``idiolect score`` reads: solutions of any accepted shape, or records of ``idiolect refine``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from services.embedded.runs import limited
from services.pipeline.scoring import Scorable, to_scorable
from shared.jsonl import BadLine, parse_line, raw_lines
from shared.shapes import Reading


def read_scorables(stream: BinaryIO, reading: Reading, limit: int | None) -> Iterator[Scorable | BadLine]:
    """The lines in order. The first good one says whether the file holds records or solutions.

    A line of the other kind is a `BadLine`, because figures over both would mean nothing.
    """
    records: bool | None = None
    for raw in limited(raw_lines(stream), limit):
        item = parse_line(raw, lambda item, line: to_scorable(item, line, reading))
        if isinstance(item, Scorable):
            is_record = item.refined is not None
            records = is_record if records is None else records
            yield item if is_record == records else _mixed(item.line, records)
        else:
            yield item


def _mixed(line: int, records: bool) -> BadLine:
    problem = "is missing, but earlier lines are records" if records else "is that of a record"
    return BadLine(line, "schema", problem, "score records and solutions in files of their own")
