"""``idiolect verify``: one verdict a trajectory."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

if TYPE_CHECKING:
    from services.oracle.verifier import SandboxedVerifier
    from shared.domain import Trajectory, Verdict
    from shared.jsonl import BadLine

BAD_LINES = 3
_AT_ONCE = 512


def command(
    trajectories: Annotated[
        Path, typer.Argument(metavar="IN.jsonl", help="Trajectories with gold answers; - reads stdin.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write the verdicts; default stdout.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Worker processes.")] = 1,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="Processor time that one verification may take.")
    ] = 5.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the counts as one line of JSON, and nothing else.")
    ] = False,
) -> None:
    """Compare each solution's final answer with gold: correct, incorrect, or undecided with a reason.

    Writes one line of JSON a trajectory: id, line, value, reason, answer. Lines that can't be read are
    named on stderr and make the exit code 3; the rest is verified all the same.
    """
    from services.oracle.verifier import Limits, SandboxedVerifier

    with ExitStack() as stack:
        source = (
            sys.stdin.buffer if str(trajectories) == "-" else stack.enter_context(trajectories.open("rb"))
        )
        sink = stack.enter_context(output.open("wb")) if output else None if as_json else sys.stdout.buffer
        verifier = stack.enter_context(SandboxedVerifier(workers, Limits(seconds=seconds)))
        counts = _verify_all(source, sink, verifier)
    _tell(counts, as_json)
    if counts["bad_lines"]:
        raise typer.Exit(BAD_LINES)


def _verify_all(source: BinaryIO, sink: BinaryIO | None, verifier: SandboxedVerifier) -> Counter[str]:
    from shared.jsonl import BadLine, dump_line
    from shared.shapes import read_trajectories

    counts: Counter[str] = Counter()
    for chunk in _chunks(read_trajectories(source)):
        read = [item for item in chunk if not isinstance(item, BadLine)]
        for bad in (item for item in chunk if isinstance(item, BadLine)):
            typer.echo(f"line {bad.line}: {bad.reason}", err=True)
            counts["bad_lines"] += 1
        verdicts = verifier.verify_many((item.text, item.problem.gold) for item in read)
        counts.update(str(verdict.value) for verdict in verdicts)
        if sink is not None:
            sink.writelines(dump_line(_line(*pair)) for pair in zip(read, verdicts, strict=True))
            sink.flush()
    return counts


def _chunks(items: Iterator[Trajectory | BadLine]) -> Iterator[list[Trajectory | BadLine]]:
    while chunk := list(islice(items, _AT_ONCE)):
        yield chunk


def _line(trajectory: Trajectory, verdict: Verdict) -> dict[str, str | int | None]:
    return {
        "id": trajectory.id,
        "line": trajectory.line,
        "value": str(verdict.value),
        "reason": verdict.reason,
        "answer": verdict.answer,
    }


def _tell(counts: Counter[str], as_json: bool) -> None:
    names = ("correct", "incorrect", "undecided", "bad_lines")
    figures = {"n": sum(counts[name] for name in names[:3]), **{name: counts[name] for name in names}}
    if as_json:
        typer.echo(json.dumps(figures))
    else:
        typer.echo(
            ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in figures.items()), err=True
        )
