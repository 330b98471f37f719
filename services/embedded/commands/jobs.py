"""``idiolect jobs``: the jobs of a tenant."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from services.embedded.connecting import LOCAL_URL, KeyFile, Url

_Limit = Annotated[int, typer.Option("--limit", min=1, help="Most jobs to show.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON a job.")]


def command(
    url: Url = LOCAL_URL, key_file: KeyFile = None, limit: _Limit = 20, as_json: _AsJson = False
) -> None:
    """List jobs, newest first: id, operation, how far it is, and what came of its lines."""
    from services.embedded import jobwatch
    from services.embedded.connecting import connected

    with connected(url, key_file) as client:
        for job in islice(client.jobs(), limit):
            line = f"{job.id}  {job.operation}  {job.done} of {job.lines}  {jobwatch.told(job)}"
            typer.echo(jobwatch.as_json(job) if as_json else line)
