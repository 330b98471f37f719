"""``idiolect report``: one self-contained page from result files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    results: Annotated[
        list[Path], typer.Argument(metavar="OUT.jsonl", help="Result files of `idiolect refine`.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the page.")] = Path(
        "report.html"
    ),
    shown: Annotated[
        int, typer.Option("--shown", min=0, help="How many trajectories to show in full; all are counted.")
    ] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Write one self-contained page: outcomes, diffs with evidence, surprisal, drift and utility.

    The page needs no network and holds its own data. Every record is counted; at most --shown of them can
    be read on the page, taken from every file and outcome in turn.
    """
    from services.embedded.report.assembly import write_report

    written = write_report(results, output, shown)
    if as_json:
        figures = {"path": str(written.path), "records": written.records, "shown": written.shown}
        typer.echo(json.dumps({**figures, "left_out": written.left_out}))
        return
    typer.echo(f"{written.path}: {written.records:,} records counted, {written.shown:,} shown in full")
    if written.left_out:
        typer.echo(f"{written.left_out:,} lines hold no record; the page names them", err=True)
