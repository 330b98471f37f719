"""``idiolect locate``: one diagnosis a trajectory."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

if TYPE_CHECKING:
    from services.oracle.verifier import SandboxedVerifier
    from shared.domain import Diagnosis, Trajectory, Verdict
    from shared.jsonl import BadLine

BAD_LINES = 3
_AT_ONCE = 256


def command(
    trajectories: Annotated[Path, typer.Argument(metavar="IN.jsonl", help="Trajectories; - reads stdin.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write the diagnoses; default stdout.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the counts as one line of JSON, and nothing else.")
    ] = False,
) -> None:
    """Name the first wrong step of each solution, with evidence, without a language model.

    Writes one line of JSON a trajectory: id, line, verdict, first_error (-1 nothing found, null nobody
    could tell), confidence and steps. Lines that can't be read are named on stderr and make the exit code 3.
    """
    from services.oracle.verifier import SandboxedVerifier

    with ExitStack() as stack:
        source = (
            sys.stdin.buffer if str(trajectories) == "-" else stack.enter_context(trajectories.open("rb"))
        )
        sink = stack.enter_context(output.open("wb")) if output else None if as_json else sys.stdout.buffer
        counts = _locate_all(source, sink, stack.enter_context(SandboxedVerifier()))
    _tell(counts, as_json)
    if counts["bad_lines"]:
        raise typer.Exit(BAD_LINES)


def _locate_all(source: BinaryIO, sink: BinaryIO | None, verifier: SandboxedVerifier) -> Counter[str]:
    from services.oracle.locators import CombinedLocator
    from shared.jsonl import BadLine, dump_line

    counts: Counter[str] = Counter()
    locator = CombinedLocator()
    for trajectory, verdict in _verified(source, verifier):
        if isinstance(trajectory, BadLine) or verdict is None:
            counts["bad_lines"] += 1
            typer.echo(f"line {trajectory.line}: {getattr(trajectory, 'reason', '')}", err=True)
            continue
        diagnosis = locator.locate(trajectory, verdict)
        counts[_outcome(diagnosis)] += 1
        if sink is not None:
            sink.write(dump_line(_line(trajectory, verdict, diagnosis)))
    return counts


def _verified(
    source: BinaryIO, verifier: SandboxedVerifier
) -> Iterator[tuple[Trajectory | BadLine, Verdict | None]]:
    """Trajectories with their verdicts, and bad lines without, in order; a bounded number at once."""
    from shared.jsonl import BadLine
    from shared.shapes import read_trajectories

    reader = read_trajectories(source)
    while batch := list(islice(reader, _AT_ONCE)):
        good = [item for item in batch if not isinstance(item, BadLine)]
        verdicts = iter(verifier.verify_many((item.text, item.problem.gold) for item in good))
        for item in batch:
            yield item, None if isinstance(item, BadLine) else next(verdicts)


def _outcome(diagnosis: Diagnosis) -> str:
    if diagnosis.first_error is None:
        return "undecided"
    return "wrong_step" if diagnosis.first_error >= 0 else "nothing_found"


def _line(trajectory: Trajectory, verdict: Verdict, diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "id": trajectory.id,
        "line": trajectory.line,
        "verdict": verdict.value.value,
        "first_error": diagnosis.first_error,
        "confidence": diagnosis.confidence,
        "steps": [
            {
                "index": finding.index,
                "span": [finding.span.start, finding.span.end],
                "verdict": finding.verdict.value,
                "evidence": finding.evidence,
                "source": finding.source,
                "confidence": finding.confidence,
                "expected": finding.expected,
            }
            for finding in diagnosis.findings
        ],
    }


def _tell(counts: Counter[str], as_json: bool) -> None:
    names = ("wrong_step", "nothing_found", "undecided", "bad_lines")
    if as_json:
        typer.echo(json.dumps({name: counts[name] for name in names}))
        return
    typer.echo(", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names), err=True)
