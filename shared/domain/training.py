"""Training in domain types: what is learnt from, how, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from shared.domain.model import Message


class Loss(StrEnum):
    """What is minimised: SFT the mean of -log p, DFT the mean of -sg(p) log p (sg: no gradient)."""

    SFT = "sft"
    DFT = "dft"


class TrainingState(StrEnum):
    """Where a training of a service stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One example: the loss is on the completion only.

    `prompt` is the conversation up to the answer, in the order system, user, ...; `completion` is the
    answer's text, encoded alone like a text that is scored, and followed by the token that ends a turn.
    """

    prompt: tuple[Message, ...]
    completion: str


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank adapter in place of all weights: `rank` >= 1, scaling `alpha` > 0, `dropout` in 0..1."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train; the defaults are the paper's (arXiv 2606.16152) where it names them.

    Attributes:
        loss: what is minimised.
        learning_rate: peak, > 0. schedule: how it falls after `warmup_steps`; `linear` ends at
            `final_share` (0..1) of the peak.
        batch_size: examples a step, >= 1; `micro_batch` of them at a time (None: chosen by the trainer).
        epochs: passes over the rows, > 0. steps: ends after that many steps instead, where given.
        max_tokens: most tokens of one example; None: the model's context. Longer ones are an error.
        weight_decay, betas, clip: of AdamW, and the most that a gradient's norm may be.
        precision: `auto` is bf16 on a GPU and float32 elsewhere. checkpointing: recompute activations.
        packing: several examples in one row, only where attention keeps them apart.
        save_every: steps between checkpoints; None: at the end only. seed: start of every random choice.
        lora: None trains all weights.
    """

    loss: Loss = Loss.SFT
    learning_rate: float = 5e-5
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    warmup_steps: int = 0
    final_share: float = 0.0
    batch_size: int = 256
    micro_batch: int | None = None
    epochs: float = 1.0
    steps: int | None = None
    max_tokens: int | None = None
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checkpointing: bool = False
    packing: bool = False
    save_every: int | None = None
    seed: int = 0
    lora: Lora | None = None


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """One training.

    Attributes:
        name: of the model that results. base: folder, GGUF file or allowed name of the model to start from.
        rows: JSON Lines of `TrainingRow` (``{"prompt": text or messages, "completion": text}`` or
            ``{"messages": [...]}`` whose last turn is the assistant's).
        settings: how to train. arm: arm of a study, for the model card.
        instruction, system: of the student's template, put around prompts that are plain texts.
    """

    name: str
    base: str
    rows: Path
    settings: TrainingSettings
    arm: str | None = None
    instruction: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """One step done.

    Attributes:
        step: 1-based. steps: in all. loss: of the step, nats a token (weighted by p for DFT).
        learning_rate: of the step. tokens: trained tokens (prompt and completion) so far.
        tokens_per_second: since the last step. memory_bytes: peak memory of the accelerator, None on a CPU.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    tokens: int
    tokens_per_second: float
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a training left: a model's folder (safetensors, tokenizer, configuration) and how it went.

    Attributes:
        folder: loads like any other model, or as an adapter where `adapter` is set.
        digest: as `ModelInfo.digest` of an engine that serves it.
        rows, tokens: examples in the data, and tokens trained on. curve: all progress, in order.
    """

    name: str
    folder: Path
    digest: str
    rows: int
    tokens: int
    curve: tuple[TrainingProgress, ...]
    adapter: bool = False


@dataclass(frozen=True, slots=True)
class TrainingStanding:
    """A training of a service as it stands.

    Attributes:
        id: names it. name, base: of the model that results, and of the one it starts from.
        step, steps, tokens: done, in all (0 before that is known), and trained on so far.
        created, ended: seconds since the epoch; `ended` is None before. error: why it failed.
        model, digest, adapter: path in the caller's name space, digest and kind of the published model.
    """

    id: str
    name: str
    base: str
    state: TrainingState
    step: int
    steps: int
    tokens: int
    created: float
    ended: float | None = None
    error: str | None = None
    model: str | None = None
    digest: str | None = None
    adapter: bool = False
