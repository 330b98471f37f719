"""``idiolect fetch``: what came of a job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.embedded.connecting import LOCAL_URL, KeyFile, Url

_Job = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
_Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="OUT.jsonl", help="Records; - writes stdout.")
]
_Errors = Annotated[
    Path | None,
    typer.Option(
        "--errors", metavar="FILE", help="Lines without a record; OUT.jsonl.errors.jsonl by default."
    ),
]
_Fresh = Annotated[bool, typer.Option("--fresh", help="Overwrite files that are there.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the ended job as one line of JSON.")]


def command(
    job: _Job,
    output: _Output,
    errors: _Errors = None,
    url: Url = LOCAL_URL,
    key_file: KeyFile = None,
    fresh: _Fresh = False,
    as_json: _AsJson = False,
) -> None:
    """Write the records of a job in the order of its input, as they are finished, until it has ended.

    After an interrupt, or a kill, the same command goes on behind the last whole line.
    """
    from services.embedded import jobwatch
    from services.embedded.connecting import connected
    from services.embedded.fetching import fetch

    target = None if str(output) == "-" else output
    with connected(url, key_file) as client:
        ended = fetch(client, job, target, errors, fresh=fresh, watch=jobwatch.job_watch())
    typer.echo(jobwatch.as_json(ended) if as_json else jobwatch.told(ended), err=target is None)
    raise typer.Exit(jobwatch.ending(ended))
