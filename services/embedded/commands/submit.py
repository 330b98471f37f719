"""``idiolect submit``: a job for the platform."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from services.embedded.connecting import LOCAL_URL, KeyFile, Url
from shared.jobs.order import Operation

_Source = Annotated[Path, typer.Argument(metavar="IN.jsonl", help="Trajectories; - reads stdin.")]
_Operation = Annotated[Operation, typer.Option("--operation", help="What is done with each line.")]
_Profile = Annotated[
    str | None,
    typer.Option("--profile", help="A profile of the platform; without it one is fitted on the job."),
]
_Student = Annotated[str | None, typer.Option("--student", help="Name of the student, where one is fitted.")]
_Scorer = Annotated[str | None, typer.Option("--scorer", help="Who scores style: proxy, served or none.")]
_Alpha = Annotated[
    float | None, typer.Option("--alpha", help="Share of native spans that the style gate may flag.")
]
_Weight = Annotated[
    float | None, typer.Option("--lambda", help="Weight of cost in utility = benefit - lambda * cost.")
]
_Gate = Annotated[
    str | None, typer.Option("--gate", help="enforce: drop what sounds foreign; report: say so.")
]
_Seed = Annotated[int | None, typer.Option("--seed", help="Start of every random choice.")]
_Generate = Annotated[bool, typer.Option("--generate", help="Let the student itself go on.")]
_Segment = Annotated[bool, typer.Option("--segment", help="Ignore given steps and cut the text anew.")]
_Author = Annotated[
    str | None, typer.Option("--author", help="Whose text to take, where a line holds several authors'.")
]
_Tokens = Annotated[bool, typer.Option("--tokens", help="Scores: add those of every token.")]
_Samples = Annotated[int | None, typer.Option("--samples", help="Rollouts: samples of each problem.")]
_Temperature = Annotated[float | None, typer.Option("--temperature", help="Rollouts: temperature.")]
_MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="Rollouts: most tokens of a sample.")]
_Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="Name of this job: the same name gives the same job again."),
]
_Wait = Annotated[bool, typer.Option("--wait", help="Show how the job goes on, until it has ended.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the job as one line of JSON.")]


def command(
    source: _Source,
    url: Url = LOCAL_URL,
    key_file: KeyFile = None,
    operation: _Operation = Operation.REFINE,
    profile: _Profile = None,
    student: _Student = None,
    scorer: _Scorer = None,
    alpha: _Alpha = None,
    weight: _Weight = None,
    gate: _Gate = None,
    seed: _Seed = None,
    generate: _Generate = False,
    segment: _Segment = False,
    author: _Author = None,
    tokens: _Tokens = False,
    samples: _Samples = None,
    temperature: _Temperature = None,
    max_tokens: _MaxTokens = None,
    idempotency_key: _Key = None,
    wait: _Wait = False,
    as_json: _AsJson = False,
) -> None:
    """Send a file to the platform as a job and print the id of the job.

    Once this ends the job is durable and goes on by itself; see watch and fetch. What isn't given takes the
    platform's default; the platform refuses settings that the operation doesn't have.
    """
    config = {
        "profile": profile,
        "student": student,
        "scorer": scorer,
        "alpha": alpha,
        "lambda": weight,
        "gate": gate,
        "seed": seed,
        "generate": generate or None,
        "segment": segment or None,
        "author": author,
        "tokens": tokens or None,
        "samples": samples,
        "temperature": temperature,
        "max_tokens": max_tokens,
    }
    from services.embedded import jobwatch
    from services.embedded.connecting import connected

    with connected(url, key_file) as client:
        job = client.submit(_lines(source), operation, config, idempotency_key=idempotency_key)
        if not (as_json and wait):
            typer.echo(jobwatch.as_json(job) if as_json else job.id)
        if not wait:
            return
        ended = jobwatch.watched(client.watch(job.id))
    typer.echo(jobwatch.as_json(ended) if as_json else jobwatch.told(ended), err=not as_json)
    raise typer.Exit(jobwatch.ending(ended))


def _lines(source: Path) -> Path | Iterator[bytes]:
    return iter(sys.stdin.buffer) if str(source) == "-" else source
