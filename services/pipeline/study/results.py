"""The accuracies of a study with their intervals, and what is compared with what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, nan

from services.pipeline.study.analysis.correlation import pearson, rank_correlation
from services.pipeline.study.analysis.draws import Draws, interval, mean_of
from services.pipeline.study.analysis.perplexities import log_ratio
from services.pipeline.study.analysis.spread import Spreads
from services.pipeline.study.analysis.weights import Sweep, Worth, sweep
from services.pipeline.study.arm_figures import ArmFigures, arm_figures, shared_losses, shared_scores
from services.pipeline.study.cell import Cell
from services.pipeline.study.outcomes import Outcome, outcome, start
from shared.bootstrap import Interval
from shared.domain import Loss
from shared.study.config import StudyConfig


@dataclass(frozen=True, slots=True)
class Result:
    """One arm, loss and budget: what came of it, its accuracy with interval, and its resampled means."""

    outcome: Outcome
    accuracy: Interval
    resampled: list[float]


@dataclass
class Results:
    """Everything that a report is made of, computed from the pieces of all cells."""

    config: StudyConfig
    cells: Sequence[Cell]

    @property
    def arms(self) -> list[str]:
        """Names in the order of the config."""
        return [arm.name for arm in self.config.arms]

    @property
    def budget(self) -> int:
        """Steps of the trainings that the table shows."""
        return self.config.budgets[0]

    def by_maker(self, maker: str) -> str | None:
        """The first arm of that maker."""
        return next((arm.name for arm in self.config.arms if arm.maker == maker), None)

    @cached_property
    def draws(self) -> Draws:
        """The resamples that all comparisons share."""
        return Draws(len(self.cells[0].held_out), len(self.cells))

    @cached_property
    def figures(self) -> dict[str, ArmFigures]:
        """Figures of the texts by arm."""
        native = self.by_maker("native") or ""
        return {arm: arm_figures(self.cells, arm, native) for arm in self.arms}

    @cached_property
    def start(self) -> tuple[Interval, list[float]]:
        """Accuracy of the students before any training, and its resampled means."""
        values = start(self.cells)
        resampled = self.draws.means("start", values)
        return interval(mean_of(values), resampled, len(self.cells)), resampled

    @cached_property
    def by_run(self) -> dict[tuple[str, Loss, int], Result]:
        """Result by arm, loss and steps."""
        return {
            (arm, loss, steps): self._result(arm, loss, steps)
            for arm in self.arms
            for loss in self.config.losses
            for steps in self.config.budgets
        }

    def difference(self, first: str, second: str, loss: Loss, steps: int | None = None) -> Interval:
        """Accuracy of `first` minus that of `second`, paired by cell and problem."""
        steps = steps or self.budget
        one, other = self.by_run[first, loss, steps], self.by_run[second, loss, steps]
        resampled = [a - b for a, b in zip(one.resampled, other.resampled, strict=True)]
        return interval(one.accuracy.mean - other.accuracy.mean, resampled, one.accuracy.n)

    def perplexity_difference(self, first: str, second: str) -> Interval:
        """Log perplexity of `first` minus that of `second` on the shared problems, paired by problem."""
        return log_ratio(shared_losses(self.cells, first), shared_losses(self.cells, second))

    @cached_property
    def spreads(self) -> Spreads:
        """Figures of the texts with intervals over the shared problems."""
        return Spreads({arm: shared_scores(self.cells, arm) for arm in self.arms})

    def perplexity_correlation(self, loss: Loss) -> dict[str, Interval]:
        """Correlation over arms of log perplexity with accuracy."""
        return self._correlations([log(self.figures[arm].ppl) for arm in self.arms], loss)

    def reward_correlation(self, loss: Loss) -> dict[str, Interval] | None:
        """The same of reward; None where none was asked."""
        rewards = [self.figures[arm].reward for arm in self.arms]
        return None if any(reward != reward for reward in rewards) else self._correlations(rewards, loss)

    def lambdas(self, loss: Loss) -> Sweep:
        """Which weight of cost predicts the accuracy gained over the start."""
        worths = [Worth(self.figures[arm].benefit, self.figures[arm].cost) for arm in self.arms]
        begun, resampled = self.start
        own = [self.by_run[arm, loss, self.budget] for arm in self.arms]
        gains = [result.accuracy.mean - begun.mean for result in own]
        drawn = [[a - b for a, b in zip(result.resampled, resampled, strict=True)] for result in own]
        return sweep(worths, gains, drawn, self.config.lambdas)

    @cached_property
    def most_truncated(self) -> float:
        """The largest share of samples that a limit cut off, over arms, losses and budgets."""
        return max((result.outcome.truncated for result in self.by_run.values()), default=nan)

    def _result(self, arm: str, loss: Loss, steps: int) -> Result:
        found = outcome(self.cells, arm, loss, steps)
        resampled = self.draws.means(f"{arm}.{loss.value}.{steps}", found.accuracies)
        runs = sum(len(seeds) for seeds in found.accuracies)
        return Result(found, interval(mean_of(found.accuracies), resampled, runs), resampled)

    def _correlations(self, xs: list[float], loss: Loss) -> dict[str, Interval]:
        results = [self.by_run[arm, loss, self.budget] for arm in self.arms]
        means = [result.accuracy.mean for result in results]
        drawn = list(zip(*(result.resampled for result in results), strict=True))
        kinds = {"pearson": pearson, "spearman": rank_correlation}
        return {
            name: interval(of(xs, means), [of(xs, draw) for draw in drawn], len(xs))
            for name, of in kinds.items()
        }
