"""``idiolect demo``: the main job on real solutions of real small models, end to end, on a laptop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    data: Annotated[
        Path,
        typer.Option("--data", help="Folder with the demo's trajectories.", exists=True, file_okay=False),
    ] = Path("data/demo"),
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path(
        "out/demo"
    ),
    scored: Annotated[
        int, typer.Option("--scored", min=0, help="Repairs that SmolLM2 scores beside the proxy.")
    ] = 66,
    resampled: Annotated[
        int, typer.Option("--resampled", min=0, help="Rejected solutions that SmolLM2 tries to go on with.")
    ] = 3,
) -> None:
    """Refine three students' solutions, score the repairs under a language model, write a report.

    Fits a proxy of each student on its own texts, repairs what is wrong, prints what became of the
    solutions and what the repairs cost to learn, and names the page to open. Ended runs are not repeated,
    unless the version or the data changed.
    """
    from services.embedded.demonstration import Demonstration

    Demonstration(data, output, scored, resampled).run()
