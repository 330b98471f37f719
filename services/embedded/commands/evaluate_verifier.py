"""``idiolect evaluate-verifier``: how often the verifier agrees with labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.jsonl", help="Labelled pairs of answers, or labelled traces.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    errors: Annotated[bool, typer.Option("--errors", help="List every disagreement on stderr.")] = False,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="Processor time that one verification may take.")
    ] = 5.0,
) -> None:
    """Compare verdicts with labels, one record after another.

    Pairs hold gold, pred and expected (1 or 0); the report gives the accuracy on equal and unequal pairs,
    pooled and by suite. Traces hold gold, final_correct and a final_answer, text or steps; the report gives
    the agreement. Undecided verdicts count as errors, disputed and unlabelled records are left out.
    """
    from services.oracle.verifier import Limits, SandboxedVerifier, evaluation

    records = _records(file)
    with SandboxedVerifier(limits=Limits(seconds=seconds)) as verifier:
        if evaluation.is_pair(records[0]):
            scored = evaluation.score_pairs(records, verifier)
            report = evaluation.pair_report(scored)
        else:
            scored = evaluation.score_traces(records, verifier)
            report = evaluation.trace_report(scored)
    for wrong in (s for s in scored if errors and not s.right):
        typer.echo(evaluation.told(wrong), err=True)
    typer.echo(json.dumps(report) if as_json else _table(report))


def _records(file: Path) -> list[dict[str, Any]]:
    from shared.errors import FieldError
    from shared.jsonl import BadLine, read_objects

    records: list[dict[str, Any]] = []
    with file.open("rb") as stream:
        for read in read_objects(stream):
            if isinstance(read, BadLine):
                raise FieldError(f"line {read.line}, {read.field}", read.problem, read.cure)
            records.append(read[1])
    if not records:
        raise FieldError(str(file), "holds no record", "give one JSON object a line")
    return records


def _table(report: dict[str, Any]) -> str:
    groups = [("all suites", report["pooled"]), *report["suites"].items()] if "pooled" in report else []
    lines = [f"{'':16}{'equal':>8}{'n':>6}{'unequal':>10}{'n':>6}"] if groups else []
    for name, group in groups:
        equal, unequal = group["equal"], group["unequal"]
        lines.append(
            f"{name:16}{_share(equal['accuracy']):>8}{equal['n']:>6}"
            f"{_share(unequal['accuracy']):>10}{unequal['n']:>6}"
        )
    if not groups:
        lines.append(f"agreement {_share(report['agreement'])} on {report['n']} traces")
    lines.append(f"{report['undecided']} undecided; the slowest took {report['slowest_seconds']:.2f} s")
    return "\n".join(lines)


def _share(accuracy: float | None) -> str:
    return "-" if accuracy is None else f"{accuracy:.3f}"
