"""``idiolect compare``: two models on one set, paired by problem; files, or jobs of a gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from services.embedded.connecting import LOCAL_URL, KeyFile, Url, connected

_Side = Annotated[
    str,
    typer.Argument(
        help="Lines that `idiolect evaluate` or an evaluation job wrote, or the id of such a job."
    ),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the comparison as one line of JSON.")]


def command(
    a: _Side, b: _Side, url: Url = LOCAL_URL, key_file: KeyFile = None, as_json: _AsJson = False
) -> None:
    """Avg@k of A minus that of B with a 95 % paired bootstrap interval over problems.

    Both must have been asked the same problems equally often; what differs is named. Two ids of jobs are
    compared by the gateway.
    """
    told = _of_jobs(a, b, url, key_file) if _is_job(a) and _is_job(b) else _of_files(Path(a), Path(b))
    if as_json:
        typer.echo(json.dumps(told))
        return
    k, found = told["k"], told["a_minus_b"]
    typer.echo(f"{told['problems']} problems x {k} samples")
    if found["mean"] is not None:
        typer.echo(f"Avg@{k}, A - B: {found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]")
        typer.echo(f"a design of this size shows differences from about {told['detectable']} on")


def _is_job(name: str) -> bool:
    from shared.jobs.ids import is_id

    return is_id("job", name) and not Path(name).exists()


def _of_jobs(a: str, b: str, url: str, key_file: Path | None) -> Mapping[str, Any]:
    with connected(url, key_file) as platform:
        return platform.compare_evaluations(a, b)


def _of_files(a: Path, b: Path) -> Mapping[str, Any]:
    from shared.errors import FieldError
    from shared.evaluation.lines import read_graded
    from shared.evaluation.paired import comparison
    from shared.evaluation.tally import tallies

    try:
        with a.open("rb") as first, b.open("rb") as second:
            return comparison(tallies(read_graded(first)), tallies(read_graded(second)))
    except OSError as error:
        cure = "name a file that `idiolect evaluate` wrote, or give the ids of two jobs"
        raise FieldError(str(error.filename), f"can't be read ({error.strerror})", cure) from None
