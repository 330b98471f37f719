"""``idiolect watch``: how a job goes on."""

from __future__ import annotations

from typing import Annotated

import typer

from services.embedded.connecting import LOCAL_URL, KeyFile, Url

_Job = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the ended job as one line of JSON.")]


def command(
    job: _Job,
    url: Url = LOCAL_URL,
    key_file: KeyFile = None,
    as_json: _AsJson = False,
) -> None:
    """Show how a job goes on, until it has ended.

    The job itself doesn't notice whether anybody watches.
    """
    from services.embedded import jobwatch
    from services.embedded.connecting import connected

    with connected(url, key_file) as client:
        ended = jobwatch.watched(client.watch(job))
    typer.echo(jobwatch.as_json(ended) if as_json else jobwatch.told(ended))
    raise typer.Exit(jobwatch.ending(ended))
