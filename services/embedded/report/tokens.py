"""Per-token surprisals for the records that are shown, read from the sidecar beside a result file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from services.embedded.report.shape import Record

MOST_TOKENS = 800

Token = list[Any]
Range = tuple[int, int]


def sidecar_of(results: Path) -> Path:
    """Where `idiolect refine --tokens` puts the scores of a result file."""
    return results.with_name(results.name + ".tokens.parquet")


def token_strips(results: Path, shown: dict[int, Record]) -> dict[int, dict[str, list[Token]]]:
    """For each shown line the tokens of its native and, where edited, refined text.

    A token is ``[text, nats, edited]``; its text reaches back to the token before. Texts of more than
    `MOST_TOKENS` tokens are left out. No sidecar, no strips.
    """
    strips: dict[int, dict[str, list[Token]]] = {}
    sidecar = sidecar_of(results)
    if not sidecar.is_file() or not shown:
        return strips
    for row in rows(sidecar):
        record = shown.get(row["line"])
        if record is not None and 0 < len(row["end"]) <= MOST_TOKENS:
            strips.setdefault(row["line"], {})[row["side"]] = tokens(row, record)
    return strips


def rows(sidecar: Path) -> Iterator[dict[str, Any]]:
    """The rows of a sidecar, some at a time."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(sidecar) as file:
        for batch in file.iter_batches(batch_size=256, columns=["line", "side", "end", "surprisal"]):
            yield from batch.to_pylist()


def tokens(row: dict[str, Any], record: Record) -> list[Token]:
    """The tokens of one text, with those of edits marked."""
    side = row["side"]
    text, edited = record[side]["text"], edited_ranges(record, side)
    places = pairwise([0, *row["end"]])
    return [
        [text[start:end], round(value, 2), int(any(a < end and start < b for a, b in edited))]
        for (start, end), value in zip(places, row["surprisal"], strict=True)
    ]


def edited_ranges(record: Record, side: str) -> list[Range]:
    """Where the edits stand in the native text, or in the refined one."""
    if side == "native":
        return [(edit["span"][0], edit["span"][1]) for edit in record["edits"]]
    shift, out = 0, list[Range]()
    for edit in record["edits"]:
        start, end = edit["span"]
        out.append((start + shift, start + shift + len(edit["after"])))
        shift += len(edit["after"]) - (end - start)
    return out
