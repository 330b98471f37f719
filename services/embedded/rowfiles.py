"""Writes rows as JSON Lines or Parquet, as they come, under the final name only when all are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from shared.jsonl import dump_line

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 1024
Row = dict[str, Any]


def write_jsonl(rows: Iterable[Row], stream: BinaryIO) -> None:
    """One object a line."""
    for row in rows:
        stream.write(dump_line(row))


def write_jsonl_file(rows: Iterable[Row], target: Path) -> None:
    """`write_jsonl` into a file."""
    beside = target.with_name(target.name + ".part")
    with beside.open("wb") as stream:
        write_jsonl(rows, stream)
    beside.replace(target)


def write_parquet_file(rows: Iterable[Row], target: Path, columns: Iterable[str]) -> None:
    """One row group for every 1,024 rows; no rows make a file with the columns alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _type(name)) for name in columns])
    beside = target.with_name(target.name + ".part")
    with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
        for group in _groups(iter(rows)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
    beside.replace(target)


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(islice(rows, _ROWS_AT_ONCE)):
        yield group


def _type(column: str) -> pa.DataType:
    import pyarrow as pa

    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    special = {
        "line": pa.int64(),
        "completions": pa.list_(pa.string()),
        "labels": pa.list_(pa.bool_()),
        "messages": pa.list_(message),
    }
    return special.get(column, pa.string())
