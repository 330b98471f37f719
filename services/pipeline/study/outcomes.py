"""What the trained models did, as a study's analysis needs it: by arm, loss and steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.pipeline.study.analysis.draws import Cells
from services.pipeline.study.cell import Cell
from services.pipeline.study.items import RunKey, right_share
from services.pipeline.study.stage_runs import START
from shared.domain import Loss


@dataclass(frozen=True, slots=True)
class Outcome:
    """Trainings of one arm, loss and budget.

    Attributes:
        accuracies: by cell, seed and problem. truncated, undecided: share of all samples.
        tokens: mean new tokens a sample. curves: (step, loss) of each training. trained: tokens trained on.
    """

    accuracies: Cells
    truncated: float
    undecided: float
    tokens: float
    curves: list[list[list[float]]]
    trained: float


def outcome(cells: Sequence[Cell], arm: str, loss: Loss, steps: int, rate: float | None = None) -> Outcome:
    """What came of these trainings; `rate` picks one where several were tried."""
    keys = [
        [key for key in cell.run_keys() if (key.arm, key.loss, key.steps) == (arm, loss, steps)]
        for cell in cells
    ]
    wanted = [[key for key in of_cell if rate is None or key.rate == rate] for of_cell in keys]
    named = [(cell, key) for cell, of_cell in zip(cells, wanted, strict=True) for key in of_cell]
    lines = [list(cell.shelf.lines(f"evaluate/{key.name}")) for cell, key in named]
    trained = [cell.shelf.first(f"train/{key.name}") for cell, key in named]
    by_cell = _by_cell([[right_share(line) for line in run] for run in lines], wanted)
    curves = [[[point[0], point[1]] for point in one["curve"]] for one in trained]
    return Outcome(by_cell, *_shares(lines), curves, sum(one["tokens"] for one in trained) / len(trained))


def start(cells: Sequence[Cell]) -> Cells:
    """Accuracy of the students as they were: by cell, one 'seed', and problem."""
    return [[[right_share(line) for line in cell.shelf.lines(START)]] for cell in cells]


def _by_cell(runs: list[list[float]], keys: list[list[RunKey]]) -> Cells:
    found, begin = [], 0
    for of_cell in keys:
        found.append(runs[begin : begin + len(of_cell)])
        begin += len(of_cell)
    return found


def _shares(runs: list[list[dict[str, Any]]]) -> tuple[float, float, float]:
    """Truncated and undecided share of all samples, and mean tokens."""
    samples = [sample for run in runs for line in run for sample in line["samples"]]
    count = len(samples)
    truncated = sum(not sample["finished"] for sample in samples) / count
    undecided = sum(sample["verdict"] == "undecided" for sample in samples) / count
    return truncated, undecided, sum(sample["tokens"] for sample in samples) / count
