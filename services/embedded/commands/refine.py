"""``idiolect refine``: trajectories in, records out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.embedded.runstate import Position


_Source = Annotated[Path, typer.Argument(metavar="IN.jsonl", help="Trajectories; - reads stdin.")]
_Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT.jsonl", help="Records; - writes stdout.")
]
_Scorer = Annotated[
    str | None,
    typer.Option("--scorer", help="Who scores style: proxy (default), transformers, served or none."),
]
_Model = Annotated[
    str | None, typer.Option("--model", help="Folder, GGUF file or hub name for --scorer transformers.")
]
_Profile = Annotated[
    str | None,
    typer.Option("--profile", help="A student's profile; without it one is fitted on the file."),
]
_Name = Annotated[str, typer.Option("--name", help="Name of the student, where a profile is fitted.")]
_Student = Annotated[
    str | None, typer.Option("--student", metavar="HOST:PORT", help="Use this student service.")
]
_Oracle = Annotated[
    str | None, typer.Option("--oracle", metavar="HOST:PORT", help="Use this oracle service.")
]
_Certificate = Annotated[
    Path | None, typer.Option("--tls-certificate", help="Mutual TLS: own certificate, PEM.")
]
_Key = Annotated[Path | None, typer.Option("--tls-key", help="Mutual TLS: its key, PEM.")]
_Authority = Annotated[
    Path | None, typer.Option("--tls-authority", help="Mutual TLS: who signed the services' certificates.")
]
_Author = Annotated[
    str | None, typer.Option("--author", help="Whose text to take, where a line holds several authors'.")
]
_Weight = Annotated[
    float, typer.Option("--lambda", min=0, help="Weight of cost in utility = benefit - lambda * cost.")
]
_Alpha = Annotated[float, typer.Option("--alpha", help="Share of native spans that the style gate may flag.")]
_Gate = Annotated[str, typer.Option("--gate", help="enforce: drop what sounds foreign; report: only say so.")]
_Seed = Annotated[int, typer.Option("--seed", help="Start of every random choice.")]
_Tokens = Annotated[
    bool, typer.Option("--tokens", help="Write surprisal and rank of every token to a Parquet file.")
]
_Limit = Annotated[int | None, typer.Option("--limit", min=0, help="Read no further than this line.")]
_Generate = Annotated[
    bool, typer.Option("--generate", help="Let the student itself go on from the last right step.")
]
_StudentEngine = Annotated[
    str | None,
    typer.Option("--student-engine", help="What goes on: transformers (default) or scripted."),
]
_StudentModel = Annotated[
    str | None, typer.Option("--student-model", help="The model that goes on; needs --generate.")
]
_Locator = Annotated[
    list[str] | None,
    typer.Option(
        "--locator",
        metavar="NAME=WEIGHT",
        help="Who names the wrong step; repeatable: combined, answer, arithmetic, reference, rollout.",
    ),
]
_Rollouts = Annotated[
    int | None,
    typer.Option("--rollouts", min=1, help="Samples a prefix for --locator rollout; 8 by default."),
]
_Segment = Annotated[bool, typer.Option("--segment", help="Ignore given steps and cut the text anew.")]
_Workers = Annotated[int, typer.Option("--workers", min=1, help="Verifier processes.")]
_Fresh = Annotated[bool, typer.Option("--fresh", help="Begin anew and overwrite what an earlier run wrote.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the counts as one line of JSON.")]


def command(
    source: _Source,
    output: _Output,
    scorer: _Scorer = None,
    model: _Model = None,
    profile: _Profile = None,
    name: _Name = "student",
    student: _Student = None,
    oracle: _Oracle = None,
    author: _Author = None,
    weight: _Weight = 1.0,
    alpha: _Alpha = 0.05,
    gate: _Gate = "enforce",
    seed: _Seed = 0,
    tokens: _Tokens = False,
    limit: _Limit = None,
    generate: _Generate = False,
    student_engine: _StudentEngine = None,
    student_model: _StudentModel = None,
    locator: _Locator = None,
    rollouts: _Rollouts = None,
    tls_certificate: _Certificate = None,
    tls_key: _Key = None,
    tls_authority: _Authority = None,
    segment: _Segment = False,
    workers: _Workers = 1,
    fresh: _Fresh = False,
    as_json: _AsJson = False,
) -> None:
    """Repair what is wrong in a student's solutions and leave the rest as it is.

    Writes one record a trajectory, in input order. After an interrupt, or a kill, the same command goes on
    where it stopped; with changed input or settings it refuses and says what changed. Lines that can't be
    used go to OUT.jsonl.errors.jsonl with their number and a reason, and make the exit code 3.
    """
    from services.embedded.locating import weights_of
    from services.embedded.refining import Order, refine
    from shared.rpc.channel import Target
    from shared.rpc.tls import TlsFiles
    from shared.shapes import Reading

    tls = TlsFiles.of(tls_certificate, tls_key, tls_authority)
    order = Order(
        source=None if str(source) == "-" else source,
        output=None if str(output) == "-" else output,
        scorer=scorer,
        model=model,
        profile=profile,
        name=name,
        student=Target(student, tls, name="--student") if student else None,
        oracle=Target(oracle, tls, name="--oracle") if oracle else None,
        reading=Reading(resegment=segment, author=author),
        weight=weight,
        alpha=alpha,
        gate=gate,
        seed=seed,
        tokens=tokens,
        limit=limit,
        generate=generate,
        student_engine=student_engine,
        student_model=student_model,
        locators=weights_of(locator or ()),
        rollouts=rollouts,
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
