"""Writes the results of a job as Parquet, group by group; the only place in the pipeline with pyarrow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from services.pipeline.export.columns import Columns, Kind, columns_of, row
from shared.errors import IntegrityError, UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.order import JobOrder

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_A_GROUP = 1024
_BYTES_A_GROUP = 16 << 20


def write_parquet(desk: JobDesk, order: JobOrder) -> None:
    """Write ``results.parquet`` of a job that has ended, once; at most a group of rows is in memory.

    UnavailableError where pyarrow isn't there, IntegrityError where a record doesn't fit its columns.
    """
    lines = (line for _, line in desk.results(order))
    desk.store.put_if_absent(order.key.parquet, parquet(lines, columns_of(order.operation)))


def parquet(lines: Iterable[bytes], columns: Columns) -> Iterator[bytes]:
    """The bytes of a Parquet file with a row for each line of JSON, group by group as they are made.

    A group ends after 1,024 rows or 16 MiB of lines. No line makes a file with the columns alone.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise UnavailableError("results as Parquet need pyarrow where the workers run") from error
    schema, made = _schema(columns), _Made()
    with pq.ParquetWriter(made, schema, compression="zstd") as writer:
        for group in _groups(lines):
            rows = [row(json.loads(line), columns) for line in group]
            try:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            except (pa.ArrowException, UnicodeError) as error:
                raise IntegrityError(f"a record does not fit its columns: {error}") from error
            yield made.taken()
    yield made.taken()


class _Made:
    """What the writer has written since it was last taken; as much of a file as it needs."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        """Take a piece."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> bytes:
        """All of it, once."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written is still to be taken."""


def _groups(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line)
        if len(group) >= ROWS_A_GROUP or size >= _BYTES_A_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _schema(columns: Columns) -> pa.Schema:
    import pyarrow as pa

    kinds = {
        Kind.TEXT: pa.string(),
        Kind.WHOLE: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.JSON: pa.json_(),
    }
    return pa.schema([pa.field(name, kinds[kind]) for name, kind in columns.items()])
