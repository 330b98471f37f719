"""The sidecar of per-token scores: a journal while the run goes on, a Parquet file when it is complete.

One row a text: ``line`` (int64), ``id``, ``side`` (native, and refined where something was edited), and as
lists of equal length ``start`` and ``end`` (code points, int32), ``surprisal`` (nats, float64) and ``rank``
(1-based, int32).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

_ROWS_AT_ONCE = 512


def journal_to_parquet(journal: Path, target: Path) -> None:
    """Writes the Parquet file in one replacement; equal journals give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    integers = pa.list_(pa.int32())
    schema = pa.schema(
        [
            ("line", pa.int64()),
            ("id", pa.string()),
            ("side", pa.string()),
            ("start", integers),
            ("end", integers),
            ("surprisal", pa.list_(pa.float64())),
            ("rank", integers),
        ]
    )
    beside = target.with_name(target.name + ".tmp")
    with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
        for rows in _row_groups(journal):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    beside.replace(target)


def _row_groups(journal: Path) -> Iterator[list[dict[str, Any]]]:
    with journal.open("rb") as stream:
        while rows := [json.loads(line) for line in islice(stream, _ROWS_AT_ONCE)]:
            yield rows
