"""``idiolect study``: the arms side by side, from one config to one report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

_Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="A TOML file, or a shipped study such as miniature.")
]
_Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the study is kept and goes on.")
]
_Processes = Annotated[
    int | None, typer.Option("--processes", min=1, help="Worker processes; default: one a processor.")
]
_Threads = Annotated[int, typer.Option("--threads", min=1, help="Processor threads of each worker process.")]
_Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh", help="The config was changed on purpose: make anew what no longer fits it, keep the rest."
    ),
]
_Rates = Annotated[
    str | None,
    typer.Option(
        "--choose-rates",
        metavar="RATE,RATE,...",
        help="Only try these learning rates, on problems of their own, and print the best.",
    ),
]


def command(
    config: _Config,
    output: _Folder,
    processes: _Processes = None,
    threads: _Threads = 1,
    fresh: _Fresh = False,
    choose_rates: _Rates = None,
) -> None:
    """Compare training sets: sample a student, make the arms, score, train, evaluate, report.

    Every piece of work is kept: after an interrupt, or a kill, the same command goes on where it stopped;
    with a changed config it refuses and says what changed. The last line of stdout is one JSON object;
    report.html, report.json and table.md stand in FOLDER.
    """
    from services.embedded import studying
    from services.embedded.study.watching import study_watch

    order = studying.StudyOrder(config, output, processes, threads, fresh)
    with study_watch() as watch:
        if choose_rates is not None:
            found = studying.choose_rates(order, _rates(choose_rates), watch).to_json()
        else:
            found = studying.study(order, watch)
    if choose_rates is None:
        typer.echo((output / "table.md").read_text(encoding="utf-8"))
    typer.echo(json.dumps(found, allow_nan=False))


def _rates(told: str) -> tuple[float, ...]:
    from shared.errors import FieldError

    try:
        rates = tuple(float(one) for one in told.split(","))
    except ValueError:
        raise FieldError("--choose-rates", f"is {told!r}", "write numbers such as 3e-4,1e-3") from None
    if not all(0 < rate < 10 for rate in rates):
        raise FieldError("--choose-rates", f"is {told!r}", "give rates above 0")
    return rates
