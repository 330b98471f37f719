"""Does one task of a study with the parts that the caller has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from services.pipeline.study.tasks import (
    Ask,
    Continue,
    FitBand,
    Reward,
    ScoreTexts,
    Task,
    Template,
    TextScore,
    Train,
)
from shared.domain import Graded, NativeBand, TokenScores
from shared.ports import Evaluator, Generation, GenerationRequest, Scorer, ScoreRequest, Trainer
from shared.style.band import excess, fit_band
from shared.style.perplexity import loss, quarter_losses
from shared.style.suitability import capped_ranks

_AT_ONCE = 64


class Tools(Protocol):
    """The parts that tasks are done with, each loaded when it is first asked for."""

    def evaluator(self) -> Evaluator: ...

    def trainer(self) -> Trainer: ...

    def scorer(self, model: str, template: Template) -> Scorer: ...

    def generate(
        self, model: str, requests: Sequence[GenerationRequest], template: Template
    ) -> list[list[Generation]]: ...

    def rewards(self, model: str, requests: Sequence[ScoreRequest]) -> list[float]: ...


def perform(task: Task, tools: Tools) -> Any:
    """The result that the task's class names."""
    match task:
        case Ask():
            return _asked(task, tools.evaluator())
        case FitBand():
            return _band(task, tools.scorer(task.model, task.template))
        case ScoreTexts():
            return _scored(task, tools.scorer(task.model, task.template))
        case Reward():
            return tools.rewards(task.model, task.requests)
        case Continue():
            return tools.generate(task.model, task.requests, task.template)
        case Train():
            return tools.trainer().train(task.order, task.folder, lambda progress: None)


def _asked(task: Ask, evaluator: Evaluator) -> list[Graded]:
    graded = {one.problem.id: one for one in evaluator.evaluate(task.model, task.problems, task.settings)}
    return [graded[problem.id] for problem in task.problems]


def _band(task: FitBand, scorer: Scorer) -> NativeBand:
    return fit_band(scores.surprisals for scores in _scores(task.requests, scorer))


def _scored(task: ScoreTexts, scorer: Scorer) -> list[TextScore]:
    return [text_score(scores, task.band) for scores in _scores(task.requests, scorer)]


def _scores(requests: Sequence[ScoreRequest], scorer: Scorer) -> list[TokenScores]:
    batches = (requests[start : start + _AT_ONCE] for start in range(0, len(requests), _AT_ONCE))
    return [scores for batch in batches for scores in scorer.score(batch)]


def text_score(scores: TokenScores, band: NativeBand) -> TextScore:
    """The sums over one text."""
    total = loss(scores.surprisals)
    quarters = tuple((part.nll, part.tokens) for part in quarter_losses(scores.surprisals))
    above = sum(excess(scores.surprisals, band))
    return TextScore(total.nll, total.tokens, capped_ranks(scores.ranks), quarters, above)
