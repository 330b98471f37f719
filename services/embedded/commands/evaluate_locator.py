"""``idiolect evaluate-locator``: how often the first wrong step is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shared.ports import Locator

_RULES = ("combined", "answer", "arithmetic", "reference")


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Solutions labelled with first_error.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
    half: Annotated[
        str | None, typer.Option("--half", help="Only problems of half A (tuned on) or B (held out).")
    ] = None,
    rule: Annotated[str, typer.Option("--locator", help="combined, answer, arithmetic or reference.")] = (
        "combined"
    ),
    errors: Annotated[bool, typer.Option("--errors", help="List every miss on stderr.")] = False,
) -> None:
    """Compare the step that the locator names with the label.

    Erroneous solutions (first_error >= 0) count as right where that step is named exactly, correct ones (-1)
    where nothing is flagged; null labels are skipped. The verdict on the final answer comes from the
    verifier; gold and reference are used where they are given.
    """
    from services.oracle.locators import evaluation
    from services.oracle.verifier import SandboxedVerifier
    from services.oracle.verifier.evaluation import text_of
    from shared.errors import FieldError

    if half not in (None, "A", "B"):
        raise FieldError("half", f"{half!r} is no half", "use A or B")
    locator = _locator(rule)
    records = evaluation.labelled(_records(file), half)
    with SandboxedVerifier() as verifier:
        verdicts = verifier.verify_many((text_of(record), record.get("gold")) for record in records)
    results = [
        evaluation.located(record, line, verdict, locator)
        for line, (record, verdict) in enumerate(zip(records, verdicts, strict=True), start=1)
    ]
    for one in (one for one in results if errors and not one.exact):
        typer.echo(f"{one.id}: step {one.named}, labelled {one.label}", err=True)
    report = evaluation.report(results)
    typer.echo(json.dumps(report) if as_json else _table(report))


def _locator(rule: str) -> Locator:
    from services.oracle import locators
    from shared.errors import FieldError

    if rule not in _RULES:
        raise FieldError("locator", f"{rule!r} is unknown", f"use one of {', '.join(_RULES)}")
    chosen: dict[str, type[Locator]] = {
        "combined": locators.CombinedLocator,
        "answer": locators.AnswerLocator,
        "arithmetic": locators.ArithmeticLocator,
        "reference": locators.ReferenceLocator,
    }
    return chosen[rule]()


def _records(file: Path) -> list[dict[str, Any]]:
    from shared.errors import FieldError
    from shared.jsonl import BadLine, read_objects

    records: list[dict[str, Any]] = []
    with file.open("rb") as stream:
        for read in read_objects(stream):
            if isinstance(read, BadLine):
                raise FieldError(f"line {read.line}, {read.field}", read.problem, read.cure)
            records.append(read[1])
    return records


def _table(report: dict[str, Any]) -> str:
    rows = [("all", report), ("wrong answer", report["wrong_answer"])]
    rows.append(("right answer", report["right_answer"]))
    lines = [f"{'':14}{'erroneous':>16}{'correct':>16}{'F1':>8}{'precision':>11}"]
    lines += [
        f"{name:14}{_cell(group['erroneous']):>16}{_cell(group['correct']):>16}"
        f"{_number(group['f1']):>8}{_number(group['precision']):>11}"
        for name, group in rows
    ]
    return "\n".join(lines)


def _cell(group: dict[str, Any]) -> str:
    return f"{_number(group['accuracy'])} of {group['n']}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
