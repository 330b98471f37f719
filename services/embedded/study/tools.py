"""The real parts that a study's tasks are done with; each loads when it is first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from services.pipeline.study.tasks import Template
from shared.domain import Sampling, ScorerInfo, TokenScores
from shared.ports import Evaluator, Generation, GenerationRequest, Scorer, ScoreRequest, Trainer

if TYPE_CHECKING:
    from services.inference.base import LanguageModel, RewardModel
    from services.student.engines.transformers import TransformersScorer


class LocalTools:
    """Implements `services.pipeline.study.perform.Tools` in this process with `threads` threads."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._scorers: dict[str, TransformersScorer] = {}

    def evaluator(self) -> Evaluator:
        """The transformers engine with the sandboxed verifier."""
        return self._evaluator

    def trainer(self) -> Trainer:
        """TRL in this process."""
        return self._trainer

    def scorer(self, model: str, template: Template) -> Scorer:
        """The student as its own scorer; the last model stays loaded."""
        from services.student.engines.transformers import TransformersScorer

        if model not in self._scorers:
            self._scorers.clear()
            loaded = TransformersScorer.load(model, label="native", threads=self._threads)
            self._scorers[model] = loaded
        return TemplateScorer(self._scorers[model], template)

    def generate(
        self, model: str, requests: Sequence[GenerationRequest], template: Template
    ) -> list[list[Generation]]:
        """Samples of each request; they share the model's batches."""
        return asyncio.run(_generated(model, self._threads, requests, template))

    def rewards(self, model: str, requests: Sequence[ScoreRequest]) -> list[float]:
        """The reward of each solution under a reward model in a folder or on the hub."""
        from services.inference.rewards.transformers import TransformersReward

        return asyncio.run(_rewards(TransformersReward.load(model, threads=self._threads), requests))

    @cached_property
    def _evaluator(self) -> Evaluator:
        from services.embedded.evaluating import LocalEvaluator

        return LocalEvaluator(self._threads)

    @cached_property
    def _trainer(self) -> Trainer:
        from services.trainer.local import LocalTrainer

        return LocalTrainer()


class TemplateScorer:
    """Implements `Scorer` on a loaded model, with an instruction or a system message around the problem."""

    def __init__(self, scorer: TransformersScorer, template: Template) -> None:
        self._scorer, self._template = scorer, template

    @property
    def info(self) -> ScorerInfo:
        """That of the model."""
        return self._scorer.info

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """One result a request, in order. Raises FieldError for a text longer than the context."""
        from services.inference.prompting import StudentTemplate
        from services.inference.transformers.scoring import prepare, score

        checkpoint = self._scorer.checkpoint
        template = StudentTemplate(self._template.system, self._template.instruction)
        items = [
            prepare(checkpoint, checkpoint.ids(template.prompt(request.problem))[0], request.text)
            for request in requests
        ]
        return score(checkpoint, items)


async def _generated(
    model: str, threads: int, requests: Sequence[GenerationRequest], template: Template
) -> list[list[Generation]]:
    from services.inference.transformers.engine import TransformersEngine, TransformersSettings

    engine = await TransformersEngine.start(TransformersSettings(model, threads=threads, rows=128))
    try:
        return await asyncio.gather(*(_samples(engine, request, template) for request in requests))
    finally:
        await engine.close()


async def _samples(engine: LanguageModel, request: GenerationRequest, template: Template) -> list[Generation]:
    from services.inference.prompting import StudentTemplate

    asked = StudentTemplate(template.system, template.instruction)
    prompt = asked.prompt(request.problem, request.hint, request.prefix)
    sampling = Sampling(request.n, request.temperature, max_tokens=request.max_tokens, seed=request.seed)
    samples = [sample async for sample in engine.sample(prompt, sampling)]
    ordered = sorted(samples, key=lambda sample: sample.index)
    return [Generation(sample.text, sample.tokens, sample.finished) for sample in ordered]


async def _rewards(model: RewardModel, requests: Sequence[ScoreRequest]) -> list[float]:
    try:
        return [await model.reward(request.problem, request.text) for request in requests]
    finally:
        await model.close()
