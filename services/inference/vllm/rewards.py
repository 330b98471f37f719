"""Reward models that vLLM knows by itself: Qwen2.5-Math's, which transformers can't run without foreign code.

- ``Qwen2ForProcessRewardModel`` (Qwen2.5-Math-PRM): each step of the solution is followed by the token
  ``<extra_0>``, where the head says how likely the step is right.
- ``Qwen2ForRewardModel`` (Qwen2.5-Math-RM): the head's figure at the last token grades the solution.

Problem and steps are encoded alone, so that no text can hold a separator or end its turn.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.inference.checkpoint import Checkpoint, digest_of, find_folder, require
from services.inference.rewards.conversation import conversation_frame, conversation_ids
from services.inference.vllm.engine import Engine
from services.inference.vllm.figures import StepTally
from services.inference.vllm.settings import VllmSettings
from shared.domain.model import ModelInfo
from shared.errors import FieldError, UnavailableError, UnsupportedError

SEPARATOR = "<extra_0>"
RIGHT = 1
_STEPS, _SOLUTIONS = "Qwen2ForProcessRewardModel", "Qwen2ForRewardModel"


class VllmReward:
    """Implements `services.inference.base.RewardModel`; calls share batches."""

    def __init__(self, source: Checkpoint, engine: Engine, *, grades_steps: bool) -> None:
        self._source = source
        self._engine = engine
        self.grades_steps = grades_steps
        self.grades_solutions = not grades_steps
        if grades_steps:
            self._separator = _separator(source)
            self._before, self._between, self._after = conversation_frame(source)

    @classmethod
    async def start(cls, settings: VllmSettings) -> VllmReward:
        """Load `settings.model` and start its engine. Raises UnavailableError where that can't be."""
        folder, source, grades_steps = await asyncio.to_thread(_read, settings.model)
        engine = await Engine.start(settings, folder, StepTally(), runner="pooling")
        try:
            return cls(source, engine, grades_steps=grades_steps)
        except UnavailableError:
            await engine.stop()
            raise

    @property
    def info(self) -> ModelInfo:
        """The model, and which of the two it grades."""
        which = "grades steps" if self.grades_steps else "grades whole solutions"
        return ModelInfo(
            engine="vllm",
            model=self._source.name,
            digest=self._source.digest,
            context=self._engine.context,
            generates=False,
            scores=False,
            limits=f"{which} only: it has no language head",
        )

    async def step_rewards(self, problem: str, steps: Sequence[str]) -> list[float]:
        """Probability, 0..1, that each step is right; no steps, no rewards.

        Raises FieldError where problem and steps are longer than the context, UnsupportedError from a model
        that grades whole solutions.
        """
        if not self.grades_steps:
            raise UnsupportedError(f"{self._source.name} grades whole solutions, not steps")
        if not steps:
            return []
        encoded = ([*self._source.encode(step)[0], self._separator] for step in steps)
        solution = [one for part in encoded for one in part]
        begin = [*self._before, *self._source.encode(problem)[0], *self._between]
        figures = await self._figures([*begin, *solution, *self._after], self._separator)
        return [float(figure[RIGHT]) for figure in figures]

    async def reward(self, problem: str, text: str) -> float:
        """The head's figure for a whole solution. Raises as `step_rewards` does."""
        if not self.grades_solutions:
            raise UnsupportedError(f"{self._source.name} grades steps, not whole solutions")
        figures = await self._figures(conversation_ids(self._source, problem, text), None)
        return float(figures[-1][0])

    async def sleep(self) -> None:
        """Give the accelerator's memory back, where the engine can."""
        await self._engine.sleep()

    async def wake(self) -> None:
        """Be ready again after `sleep`."""
        await self._engine.wake()

    async def close(self) -> None:
        """End the engine's processes; running calls raise UnavailableError."""
        await self._engine.stop()

    async def _figures(self, ids: list[int], separator: int | None) -> Any:
        """Probabilities behind each separator [steps, labels], or without one the logits [time, labels]."""
        from vllm import PoolingParams

        context = self._engine.context
        if len(ids) > context:
            problem = f"makes {len(ids)} tokens with its problem, more than the model's {context}"
            raise FieldError("text", problem, "shorten it or take a model with a longer context")
        shares = separator is not None
        params = PoolingParams(task="token_classify", use_activation=shares, step_tag_id=separator)
        output = await self._engine.pool(ids, params)
        return output.outputs.data


def _read(model: str | None) -> tuple[Path, Checkpoint, bool]:
    """Folder, tokenizer (no weights) and whether the head grades steps."""
    require("transformers")
    import transformers

    if model is None:
        raise UnavailableError("there is no reward model to fall back on; name one")
    name, folder = find_folder(model)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    architectures = config.get("architectures") or []
    if not {_STEPS, _SOLUTIONS} & set(architectures):
        raise UnavailableError(f"{name} is neither a {_STEPS} nor a {_SOLUTIONS}; try transformers for it")
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    context = int(config.get("max_position_embeddings", 0))
    digest = digest_of(folder, tokenizer.chat_template)
    return folder, Checkpoint(name, digest, None, tokenizer, "vllm", context), _STEPS in architectures


def _separator(source: Checkpoint) -> int:
    """Id of the token behind a step. Raises UnavailableError for a vocabulary without it."""
    found: int | None = source.tokenizer.get_added_vocab().get(SEPARATOR)
    if found is None or not source.tokenizer.chat_template:
        raise UnavailableError(f"{source.name} lacks the token {SEPARATOR} or a chat template")
    return found
