"""``idiolect export``: training data from records."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shared.exporting import Choice, Export, Shape

_COLUMNS = {
    "trl": ("prompt", "completion"),
    "messages": ("messages",),
    "stepwise": ("prompt", "completions", "labels"),
    "preference": ("prompt", "chosen", "rejected"),
}


def command(
    results: Annotated[Path, typer.Argument(metavar="OUT.jsonl", help="Records of `idiolect refine`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Rows; - writes JSON Lines to stdout.")
    ],
    shape: Annotated[
        str, typer.Option("--format", help="trl (prompt-completion), messages, stepwise or preference.")
    ] = "trl",
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Write Parquet; also chosen by the name's ending .parquet.")
    ] = False,
    by_step: Annotated[
        bool, typer.Option("--step", help="Pairs of the first edited step, with the prefix that both share.")
    ] = False,
    outcomes: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome", help="Only this outcome; repeatable. Default: kept, repaired, regenerated."
        ),
    ] = None,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Export answers that aren't verified, too.")
    ] = False,
    most_cost: Annotated[
        float | None,
        typer.Option(
            "--most-cost", min=0, help="Leave out texts that cost the student more, in nats a native token."
        ),
    ] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Add id and line to every row.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as one line of JSON.")] = False,
) -> None:
    """Write training rows: prompt-completion, messages, stepwise labels or preference pairs.

    By default only kept, repaired and regenerated records whose answer is verified are exported; the others
    are counted by reason.
    """
    from shared.exporting import Export, export_rows

    made, choice, export = _shape(shape, by_step), _choice(outcomes, unverified, most_cost), Export()
    with results.open("rb") as stream:
        rows = export_rows(stream, made, choice, export, ids=ids)
        _write(rows, output, _columns(shape, by_step, ids), parquet or output.suffix == ".parquet")
    _tell(export, output, as_json)


def _shape(name: str, by_step: bool) -> Shape:
    from shared.errors import FieldError
    from shared.exporting import SHAPES, step_preference

    if name not in SHAPES:
        raise FieldError("--format", f"{name!r} is unknown", f"use {', '.join(SHAPES)}")
    if by_step and name != "preference":
        raise FieldError("--step", "is for preference pairs", "add --format preference")
    return step_preference if by_step else SHAPES[name]


def _choice(outcomes: list[str] | None, unverified: bool, most_cost: float | None) -> Choice:
    from math import isnan

    from shared.domain import Outcome
    from shared.errors import FieldError
    from shared.exporting import USUAL_OUTCOMES, Choice

    if most_cost is not None and isnan(most_cost):
        raise FieldError("--most-cost", "is no number", "give nats a native token, 0.1 for example")

    known = {outcome.value: outcome for outcome in Outcome}
    for name in outcomes or ():
        if name not in known:
            raise FieldError("--outcome", f"{name!r} is unknown", f"use {', '.join(known)}")
    wanted = tuple(known[name] for name in outcomes) if outcomes else USUAL_OUTCOMES
    return Choice(wanted, unverified, most_cost)


def _columns(shape: str, by_step: bool, ids: bool) -> tuple[str, ...]:
    columns = ("prompt", "prefix", "chosen", "rejected") if by_step else _COLUMNS[shape]
    return ("id", "line", *columns) if ids else columns


def _write(rows: Iterator[dict[str, Any]], output: Path, columns: tuple[str, ...], parquet: bool) -> None:
    from services.embedded.rowfiles import write_jsonl, write_jsonl_file, write_parquet_file
    from shared.errors import FieldError

    to_stdout = str(output) == "-"
    if to_stdout and parquet:
        raise FieldError("--parquet", "can't be written to stdout", "name a file")
    if to_stdout:
        write_jsonl(rows, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    elif parquet:
        write_parquet_file(rows, output, columns)
    else:
        write_jsonl_file(rows, output)


def _tell(export: Export, output: Path, as_json: bool) -> None:
    from services.embedded.exits import BAD_LINES

    to_stderr = str(output) == "-"
    for bad in export.bad:
        typer.echo(f"line {bad.line}: {bad.reason}", err=True)
    figures = {
        "rows": export.rows,
        "records": export.records,
        "left_out": dict(sorted(export.left_out.items())),
        "bad_lines": len(export.bad),
    }
    if as_json:
        typer.echo(json.dumps(figures), err=to_stderr)
    else:
        left_out = ", ".join(f"{number:,} {reason}" for reason, number in sorted(export.left_out.items()))
        told = f"{export.rows:,} rows of {export.records:,} records; left out: {left_out or 'none'}"
        typer.echo(told, err=to_stderr)
    if export.bad:
        raise typer.Exit(BAD_LINES)
