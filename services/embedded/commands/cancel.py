"""``idiolect cancel``: ends a job early."""

from __future__ import annotations

from typing import Annotated

import typer

from services.embedded.connecting import LOCAL_URL, KeyFile, Url

_Job = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the job as one line of JSON.")]


def command(job: _Job, url: Url = LOCAL_URL, key_file: KeyFile = None, as_json: _AsJson = False) -> None:
    """End a job early. Its finished lines stay and can be fetched; one that has ended stays as it is."""
    from services.embedded import jobwatch
    from services.embedded.connecting import connected

    with connected(url, key_file) as client:
        found = client.cancel(job)
    typer.echo(jobwatch.as_json(found) if as_json else jobwatch.told(found))
