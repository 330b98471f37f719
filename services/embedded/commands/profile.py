"""``idiolect profile``: fit a student on its own texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer


def command(
    samples: Annotated[
        Path, typer.Argument(metavar="IN.jsonl", help="The student's own solutions; - reads stdin.")
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the student.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder that the profile is written to.")],
    scorer: Annotated[str, typer.Option("--scorer", help="proxy or transformers.")] = "proxy",
    model: Annotated[
        str | None, typer.Option("--model", help="Folder, GGUF file or hub name for transformers.")
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Share of native spans that the style gate may flag.")
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Build a student's profile from at least 200 of its own solutions, right or wrong.

    The profile holds the samples, the native band, the gate's thresholds and the student's notation; it is
    named name@digest. Lines that can't be read are named on stderr and left out.
    """
    from services.student.profile import fit_student

    kind = scorer_kind(scorer)
    if str(samples) == "-":
        student = fit_student(name, read_samples(sys.stdin.buffer), kind=kind, model=model, alpha=alpha)
    else:
        with samples.open("rb") as stream:
            student = fit_student(name, read_samples(stream), kind=kind, model=model, alpha=alpha)
    student.save(output)
    profile = student.profile
    figures = {
        "profile": profile.id,
        "samples": profile.samples,
        "scorer": profile.scorer.name,
        "label": profile.scorer.label,
        "band": list(profile.band.quarters),
        "alpha": profile.alpha,
        "thresholds": [list(pair) for pair in profile.thresholds],
    }
    if as_json:
        typer.echo(json.dumps(figures))
    else:
        typer.echo("\n".join(f"{key:11} {value}" for key, value in figures.items()))


def scorer_kind(scorer: str) -> Literal["proxy", "transformers"]:
    """The kind of scorer that a name stands for; FieldError for any other."""
    from shared.errors import FieldError

    if scorer == "proxy":
        return "proxy"
    if scorer == "transformers":
        return "transformers"
    raise FieldError("--scorer", f"{scorer!r} is unknown", "use proxy or transformers")


def read_samples(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    """(problem, solution) of every readable line; the others are named on stderr."""
    from shared.jsonl import BadLine
    from shared.shapes import read_trajectories

    for item in read_trajectories(stream):
        if isinstance(item, BadLine):
            typer.echo(f"line {item.line}: {item.reason}", err=True)
        else:
            yield item.problem.text, item.text
