"""``idiolect refine``: trajectories in, records out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.embedded.runstate import Position


def command(
    source: Annotated[Path, typer.Argument(metavar="IN.jsonl", help="Trajectories; - reads stdin.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT.jsonl", help="Records; - writes stdout.")
    ],
    scorer: Annotated[
        str | None,
        typer.Option("--scorer", help="Who scores style: proxy (default), transformers or none."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Folder, GGUF file or hub name for --scorer transformers.")
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", help="A student's profile; without it one is fitted on the file."),
    ] = None,
    student: Annotated[
        str, typer.Option("--student", help="Name of the student, where a profile is fitted.")
    ] = "student",
    author: Annotated[
        str | None, typer.Option("--author", help="Whose text to take, where a line holds several authors'.")
    ] = None,
    weight: Annotated[
        float, typer.Option("--lambda", min=0, help="Weight of cost in utility = benefit - lambda * cost.")
    ] = 1.0,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Share of native spans that the style gate may flag.")
    ] = 0.05,
    gate: Annotated[
        str, typer.Option("--gate", help="enforce: drop what sounds foreign; report: only say so.")
    ] = "enforce",
    seed: Annotated[int, typer.Option("--seed", help="Start of every random choice.")] = 0,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Write surprisal and rank of every token to a Parquet file.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, help="Read no further than this line.")
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Let the student itself go on from the last right step.")
    ] = False,
    student_model: Annotated[
        str | None, typer.Option("--student-model", help="The model that goes on; needs --generate.")
    ] = None,
    segment: Annotated[
        bool, typer.Option("--segment", help="Ignore given steps and cut the text anew.")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Verifier processes.")] = 1,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew and overwrite what an earlier run wrote.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as one line of JSON.")] = False,
) -> None:
    """Repair what is wrong in a student's solutions and leave the rest as it is.

    Writes one record a trajectory, in input order. After an interrupt, or a kill, the same command goes on
    where it stopped; with changed input or settings it refuses and says what changed. Lines that can't be
    used go to OUT.jsonl.errors.jsonl with their number and a reason, and make the exit code 3.
    """
    from services.embedded.refining import Order, refine
    from shared.shapes import Reading

    order = Order(
        source=None if str(source) == "-" else source,
        output=None if str(output) == "-" else output,
        scorer=scorer,
        model=model,
        profile=profile,
        student=student,
        reading=Reading(resegment=segment, author=author),
        weight=weight,
        alpha=alpha,
        gate=gate,
        seed=seed,
        tokens=tokens,
        limit=limit,
        generate=generate,
        student_model=student_model,
        workers=workers,
        fresh=fresh,
    )
    _tell(refine(order), order.output, as_json)


def _tell(position: Position, output: Path | None, as_json: bool) -> None:
    from services.embedded.exits import BAD_LINES
    from services.embedded.progress import counts

    errors = sum(counts(position).get(name, 0) for name in ("failed", "bad lines"))
    figures = {"records": position.records, "outcomes": dict(position.outcomes), "bad_lines": position.bad}
    if as_json:
        typer.echo(json.dumps({**figures, "output": str(output) if output else None}), err=output is None)
    else:
        for name, number in counts(position).items():
            typer.echo(f"{number:>9,} {name}", err=output is None)
    if errors:
        raise typer.Exit(BAD_LINES)
