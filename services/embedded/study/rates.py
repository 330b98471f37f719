"""Learning rates, chosen beforehand on problems of their own.

All arms of a study share one rate a loss: the one with the highest mean accuracy over all arms, so that it
favours none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from services.pipeline.study.outcomes import outcome
from services.pipeline.study.results import Results
from shared.domain import Loss
from shared.errors import FieldError
from shared.study.config import StudyConfig

SEED = 1000
DRAW = 1000


@dataclass(frozen=True, slots=True)
class RateChoice:
    """What was tried and what is best.

    Attributes:
        accuracies: by loss, rate (as text) and arm: mean accuracy, 0..1. best: rate by loss.
        problems: of the evaluation. study: name of the config.
    """

    study: str
    problems: int
    accuracies: dict[str, dict[str, dict[str, float]]]
    best: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "study": self.study,
            "draw": DRAW,
            "seed": SEED,
            "problems": self.problems,
            "best": self.best,
            "accuracies": self.accuracies,
        }


def config_for_rates(config: StudyConfig, grid: tuple[float, ...]) -> StudyConfig:
    """The study with one seed, one student, a draw of its own, and each rate of the grid."""
    if not config.trains:
        raise FieldError("losses", "are none, so there is no rate to choose", "name sft or dft")
    student = replace(config.student, models=config.student.models[:1])
    problems = replace(config.problems, draws=(DRAW,))
    return replace(
        config,
        seeds=(SEED,),
        student=student,
        problems=problems,
        budgets=config.budgets[:1],
        rate_grid=grid,
        reward=None,
    )


def chosen_rates(results: Results) -> RateChoice:
    """The best rate by loss."""
    config = results.config
    found = {loss: _by_rate(results, loss) for loss in config.losses}
    best = {
        loss.value: max(rates, key=lambda rate, rates=rates: fmean(rates[rate].values()))  # type: ignore[misc]
        for loss, rates in found.items()
    }
    told = {
        loss.value: {f"{rate:g}": _rounded(arms) for rate, arms in rates.items()}
        for loss, rates in found.items()
    }
    return RateChoice(config.name, len(results.cells[0].held_out), told, best)


def _by_rate(results: Results, loss: Loss) -> dict[float, dict[str, float]]:
    return {
        rate: {arm: _accuracy(results, arm, loss, rate) for arm in results.arms}
        for rate in results.config.rate_grid
    }


def _accuracy(results: Results, arm: str, loss: Loss, rate: float) -> float:
    found = outcome(results.cells, arm, loss, results.budget, rate)
    return fmean(value for seeds in found.accuracies for run in seeds for value in run)


def _rounded(arms: dict[str, float]) -> dict[str, float]:
    return {arm: round(accuracy, 4) for arm, accuracy in arms.items()}
