"""Input lines of a shard, and what became of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.errors import IntegrityError
from shared.jobs.desk import split_lines
from shared.jobs.layout import ShardId
from shared.jobs.order import JobOrder
from shared.jsonl import LONGEST_LINE, RawLine
from shared.store.base import Store

BAD = "bad"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one input line.

    Attributes:
        number: of the line in the whole input, from 1.
        outcome: of its trajectory; ``bad`` where the line holds none.
        record, error: JSON without a line break; either may be empty.
    """

    number: int
    outcome: str
    record: bytes
    error: bytes


def shard_lines(store: Store, order: JobOrder, shard: ShardId) -> Iterator[RawLine]:
    """The lines of a shard that aren't blank, numbered as in the whole input."""
    start, stop = shard.span(order.lines_of(shard.root))
    first = shard.root * order.lines_a_shard + 1
    chunks = store.stream(order.key.input(shard.root))
    for place, piece in enumerate(split_lines(chunks)):
        if place >= stop:
            return
        if place >= start:
            yield from _raw(first + place, piece.removesuffix(b"\n"))


def job_lines(store: Store, order: JobOrder) -> Iterator[RawLine]:
    """All lines of a job."""
    for root in order.roots():
        yield from shard_lines(store, order, ShardId(root))


def given_lines(lines: Iterable[bytes]) -> Iterator[RawLine]:
    """Lines of a request, numbered from 1."""
    for place, piece in enumerate(lines):
        yield from _raw(place + 1, piece)


def _raw(number: int, data: bytes) -> Iterator[RawLine]:
    if number == 1:
        data = data.removeprefix(_BOM)
    if data.strip(b" \t\r"):
        yield RawLine(number, 0, data if len(data) <= LONGEST_LINE else None)


def packed(lines: Iterable[Line]) -> bytes:
    """Lines as one object: their digest, then a row each."""
    rows = b"".join(
        b"%d\t%s\t%s\t%s\n" % (line.number, line.outcome.encode(), line.record, line.error) for line in lines
    )
    return hashlib.sha256(rows).hexdigest().encode() + b"\n" + rows


def unpacked(data: bytes) -> list[Line]:
    """The lines that `packed` wrote. IntegrityError where the object is not whole."""
    digest, _, rows = data.partition(b"\n")
    if hashlib.sha256(rows).hexdigest().encode() != digest:
        raise IntegrityError("a segment is not what was written")
    return [_row(row) for row in rows.split(b"\n") if row]


def _row(row: bytes) -> Line:
    number, outcome, record, error = row.split(b"\t")
    return Line(int(number), outcome.decode(), record, error)
