"""Reward models on transformers: a head that grades every step, or one that grades whole solutions.

Two kinds of folder are served, told apart by the class that their configuration names:

- ``...ForTokenClassification`` with two labels, as TRL's PRMTrainer saves them: after the problem comes every
  step with the separator behind it, all encoded apart; the reward of a step is the probability of label 1
  ("right") at the last token of its separator.
- ``...ForSequenceClassification`` with one label, as TRL's RewardTrainer saves them: problem and solution in
  the model's chat template (without one: the problem, an empty line, the solution, the end token); the reward
  is the one logit.

Weights are float32 safetensors, and no code of the folder is run, so models that bring a network of their own
(Qwen2.5-Math-PRM and -RM among them) can't be served here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from services.inference.checkpoint import THREADS, Checkpoint, digest_of, find_folder, require
from services.inference.rewards.conversation import conversation_ids
from shared.domain import ModelInfo
from shared.errors import FieldError, UnavailableError, UnsupportedError

STEP_SEPARATOR = "\n"
RIGHT = 1

_T = TypeVar("_T")


class TransformersReward:
    """Implements `services.inference.base.RewardModel`; one solution at a time, in a thread of its own."""

    def __init__(self, checkpoint: Checkpoint, separator: str = STEP_SEPARATOR) -> None:
        """`checkpoint` holds a network with one of the two heads; `separator` is that of its training."""
        self.checkpoint = checkpoint
        self.grades_steps = _has_step_head(checkpoint.name, checkpoint.model.config)
        self.grades_solutions = not self.grades_steps
        self._separator, _ = checkpoint.encode(separator)
        if not self._separator:
            raise FieldError("separator", "is empty", "give the text that stood behind a step in training")
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="reward")
        self._closed = False

    @classmethod
    def load(
        cls,
        model: Path | str,
        *,
        separator: str = STEP_SEPARATOR,
        device: str | None = None,
        threads: int = THREADS,
    ) -> TransformersReward:
        """The reward model in a folder or on the hub.

        Raises UnavailableError where it isn't there, or where it has no trained head.
        """
        return cls(_load(model, device, threads), separator)

    @property
    def info(self) -> ModelInfo:
        """The model, and which of the two it grades."""
        which = "grades steps" if self.grades_steps else "grades whole solutions"
        return ModelInfo(
            engine="transformers",
            model=self.checkpoint.name,
            digest=self.checkpoint.digest,
            context=self.checkpoint.context,
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
            raise UnsupportedError(f"{self.checkpoint.name} grades whole solutions, not steps")
        return await self._run(lambda: self._graded_steps(problem, steps))

    async def reward(self, problem: str, text: str) -> float:
        """The logit of a whole solution. Raises as `step_rewards` does."""
        if not self.grades_solutions:
            raise UnsupportedError(f"{self.checkpoint.name} grades steps, not whole solutions")
        return await self._run(lambda: self._graded(problem, text))

    async def sleep(self) -> None:
        """The weights go to the memory of the host."""
        await self._run(lambda: self._move("cpu"))

    async def wake(self) -> None:
        """The weights come back."""
        await self._run(lambda: self._move(self.checkpoint.device))

    def _move(self, device: str) -> None:
        import torch

        self.checkpoint.model.to(device)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    async def close(self) -> None:
        """End the thread; calls that still wait raise UnavailableError."""
        self._closed = True
        await asyncio.to_thread(self._worker.shutdown)

    async def _run(self, work: Callable[[], _T]) -> _T:
        def unless_closed() -> _T:
            if self._closed:
                raise self._gone()
            return work()

        try:
            begun = self._worker.submit(unless_closed)
        except RuntimeError:  # the pool takes no more work
            raise self._gone() from None
        return await asyncio.wrap_future(begun)

    def _gone(self) -> UnavailableError:
        return UnavailableError(f"the reward model {self.checkpoint.name} was closed")

    def _graded_steps(self, problem: str, steps: Sequence[str]) -> list[float]:
        if not steps:
            return []
        begin = self._bos() + self.checkpoint.encode(problem)[0]
        parts = [self.checkpoint.encode(step)[0] + self._separator for step in steps]
        ids = begin + [one for part in parts for one in part]
        ends = accumulate((len(part) for part in parts), initial=len(begin) - 1)
        logits = self._logits(ids)[0, list(ends)[1:]]
        rewards: list[float] = logits.softmax(-1)[:, RIGHT].tolist()
        return rewards

    def _graded(self, problem: str, text: str) -> float:
        return float(self._logits(conversation_ids(self.checkpoint, problem, text))[0, 0])

    def _logits(self, ids: list[int]) -> Any:
        """Float32 logits: [1, time, 2] of a head for steps, [1, 1] of one for solutions."""
        import torch

        if len(ids) > self.checkpoint.context:
            problem = (
                f"makes {len(ids)} tokens with its problem, more than the model's {self.checkpoint.context}"
            )
            raise FieldError("text", problem, "shorten it or take a model with a longer context")
        with torch.inference_mode():
            row = torch.tensor([ids], device=self.checkpoint.device)
            return self.checkpoint.model(input_ids=row, attention_mask=torch.ones_like(row)).logits.float()

    def _bos(self) -> list[int]:
        begin = self.checkpoint.tokenizer.bos_token_id
        return [] if begin is None else [begin]


def _load(model: Path | str, device: str | None, threads: int) -> Checkpoint:
    require("torch", "transformers")
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    name, folder = find_folder(model)
    config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    kind = transformers.AutoModelForSequenceClassification
    if _has_step_head(name, config):
        kind = transformers.AutoModelForTokenClassification
    torch.set_num_threads(threads)
    network, loaded = kind.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, output_loading_info=True
    )
    if loaded["missing_keys"]:
        raise UnavailableError(f"{name} lacks the weights {', '.join(sorted(loaded['missing_keys'])[:4])}")
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    context = int(getattr(config.get_text_config(), "max_position_embeddings", 1 << 20))
    digest = digest_of(folder, tokenizer.chat_template)
    return Checkpoint(name, digest, network.to(where).eval(), tokenizer, where, context)


def _has_step_head(name: str, config: Any) -> bool:
    """Whether a model's head grades steps, else it grades solutions; UnavailableError where it has neither.

    A network without a head would get one with random weights, and grade at random.
    """
    heads = {"ForTokenClassification": 2, "ForSequenceClassification": 1}
    for architecture in config.architectures or ():
        for head, labels in heads.items():
            if architecture.endswith(head) and config.num_labels == labels:
                return labels == 2
    raise UnavailableError(
        f"{name} is no reward model: it must be a token classifier with two labels (steps) or a sequence "
        "classifier with one (whole solutions)"
    )
