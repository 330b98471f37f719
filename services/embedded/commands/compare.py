"""``idiolect compare``: two models on one set, paired by problem."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

_File = Annotated[Path, typer.Argument(help="Lines that `idiolect evaluate` or an evaluation job wrote.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the comparison as one line of JSON.")]


def command(a: _File, b: _File, as_json: _AsJson = False) -> None:
    """Avg@k of A minus that of B with a 95 % paired bootstrap interval over problems.

    Both must have been asked the same problems equally often; what differs is named.
    """
    from shared.evaluation.lines import read_graded
    from shared.evaluation.paired import compare_tallies, detectable
    from shared.evaluation.tally import tallies

    with a.open("rb") as first, b.open("rb") as second:
        one, other = tallies(read_graded(first)), tallies(read_graded(second))
    found = compare_tallies(one, other)
    k = one[0].samples if one else 0
    told = {
        "k": k,
        "problems": found.n,
        "a_minus_b": found.to_json(),
        "detectable": round(detectable(found.n, k), 4) if found.n else None,
        "definition": "Avg@k of the first minus that of the second; 95 % paired bootstrap over problems. "
        "detectable: smallest true difference that such a design shows four times in five",
    }
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{found.n} problems x {k} samples")
    typer.echo(f"Avg@{k}, A - B: {found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]")
    typer.echo(f"a design of this size shows differences from about {told['detectable']} on")
