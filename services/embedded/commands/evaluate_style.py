"""`idiolect evaluate-style`: does the style gate tell one author's steps from another's?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.embedded.commands.profile import scorer_kind
from shared.errors import FieldError, InputError

if TYPE_CHECKING:
    from services.student.evaluation import Pair, StyleEvaluation


def command(
    file: Annotated[Path, typer.Argument(help="JSONL of {problem, authors: {name: {text or steps}}}.")],
    native: Annotated[str, typer.Option(help="Author that plays the student.")],
    other: Annotated[str, typer.Option(help="Author whose steps are put into the student's texts.")],
    scorer: Annotated[str, typer.Option(help="Scorer of whole texts: proxy or transformers.")] = "proxy",
    model: Annotated[str | None, typer.Option(help="Folder or hub name for --scorer transformers.")] = None,
    alpha: Annotated[float, typer.Option(help="Share of native spans that the gate may flag.")] = 0.05,
    harmful: Annotated[
        bool,
        typer.Option("--harmful", help="Instead: native texts with self-talk removed or steps reordered."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Fit on half of the problems, measure on the rest, both ways pooled.

    AUROC is paired by problem on whole texts, beside that of a character 6-gram. Spans are steps of the other
    author put into a native text, answer lines left out.
    """
    from services.student.evaluation import evaluate

    pairs = read_pairs(file, native, other)
    if harmful:
        _harmful(pairs, alpha, as_json)
        return
    result = evaluate(pairs, kind=scorer_kind(scorer), model=model, alpha=alpha)
    if as_json:
        typer.echo(json.dumps(figures(result)))
    else:
        _table(result)


def figures(result: StyleEvaluation) -> dict[str, float | int | None]:
    """The evaluation as one JSON object; a figure without data is None."""
    return {
        "auroc": _rounded(result.auroc),
        "auroc_char6": _rounded(result.auroc_char6),
        "span_flag_native": _rounded(result.native.share),
        "span_flag_other": _rounded(result.other.share),
        "alpha": result.alpha,
        "n_spans": result.other.spans,
    }


def read_pairs(file: Path, native: str, other: str) -> list[Pair]:
    """The problems that both authors solved.

    Raises FieldError for a line that can't be used, InputError where no problem is solved by both.
    """
    from services.student.evaluation import Pair

    pairs: list[Pair] = []
    known: set[str] = set()
    for problem, texts in _solutions(file):
        known |= texts.keys()
        if texts.get(native) and texts.get(other):
            pairs.append(Pair(problem, texts[native], texts[other]))
    if not pairs:
        names = ", ".join(sorted(known))
        raise InputError(f"no problem is solved by both {native!r} and {other!r}; the authors are {names}")
    return pairs


def _solutions(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Problem and text by author, line by line."""
    from shared.jsonl import BadLine, read_objects

    with file.open("rb") as stream:
        for read in read_objects(stream):
            if isinstance(read, BadLine):
                raise FieldError(f"line {read.line}, {read.field}", read.problem, read.cure)
            line, row = read
            yield _problem(row, line), {name: _text(said, name, line) for name, said in _authors(row, line)}


def _problem(row: dict[str, Any], line: int) -> str:
    problem = row.get("problem")
    if not isinstance(problem, str):
        raise FieldError(f"line {line}, problem", "is no string", "give the text of the problem")
    return problem


def _authors(row: dict[str, Any], line: int) -> Iterable[tuple[str, Any]]:
    authors = row.get("authors")
    if not isinstance(authors, dict):
        raise FieldError(f"line {line}, authors", "is no object", "give {name: {text or steps}}")
    return authors.items()


def _text(said: object, author: str, line: int) -> str:
    """Text, or steps with blank lines between them."""
    text, steps = (said.get("text"), said.get("steps")) if isinstance(said, dict) else (None, None)
    if isinstance(text, str):
        return text
    if text is None and isinstance(steps, list) and all(isinstance(step, str) for step in steps):
        return "\n\n".join(step.strip() for step in steps)
    cure = "give text as a string, or steps as a list of strings"
    raise FieldError(f"line {line}, authors.{author}", "holds neither text nor steps", cure)


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 4)


def _table(result: StyleEvaluation) -> None:
    for name, value in figures(result).items():
        typer.echo(f"{name:18} {value}")
    lines = (result.native_lines, result.other_lines)
    typer.echo(
        "answer lines       " + ", ".join(f"{flags.flagged} of {flags.spans} flagged" for flags in lines)
    )
    typer.echo("flagged by span length in tokens (native, other):")
    for least, native, other in result.by_length:
        shares = "   ".join(f"{_rounded(flags.share)} of {flags.spans}" for flags in (native, other))
        typer.echo(f"  from {least:2}   {shares}")


def _harmful(pairs: list[Pair], alpha: float, as_json: bool) -> None:
    from services.student.harm import evaluate_harm

    harms = evaluate_harm([(pair.problem, pair.native) for pair in pairs], alpha)
    rows = [
        {
            "edit": name,
            "n": harm.texts,
            "auroc": _rounded(harm.auroc),
            "flagged": _rounded(harm.flagged),
            "flagged_native": _rounded(harm.flagged_native),
            "alpha": alpha,
        }
        for name, harm in harms.items()
    ]
    if as_json:
        typer.echo(json.dumps({row["edit"]: row for row in rows}))
        return
    for row in rows:
        typer.echo("  ".join(f"{name} {value}" for name, value in row.items()))
