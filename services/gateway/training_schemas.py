"""Trainings over the wire: what to train on and how, a training as it stands, and its steps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.schemas import FILE_ID, example, shown
from shared.domain.training import Lora, Loss, TrainingSettings, TrainingState

TRAINING_ID = "train-01kat3v2v8q4h2m6d9x5c7f1rb"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_DIGEST = "9f0c5ab2d1e07c44"
_DEFAULT = TrainingSettings()
Whole = Annotated[int, Field(ge=1, lt=1 << 32)]
Above = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class LoraOptions(BaseModel):
    """A low-rank adapter in place of all weights."""

    model_config = ConfigDict(extra="forbid")
    rank: Whole = 16
    alpha: Above = 32.0
    dropout: Beta = 0.0


class TrainingOptions(BaseModel):
    """How to train. What is missing is as in the paper (arXiv 2606.16152), where it names it."""

    model_config = ConfigDict(extra="forbid")
    loss: Loss = Field(_DEFAULT.loss, description="Mean of -log p (sft) or of -sg(p) log p (dft).")
    learning_rate: Above = Field(_DEFAULT.learning_rate, description="At its peak.")
    schedule: Literal["linear", "cosine", "constant"] = _DEFAULT.schedule
    warmup_steps: int = Field(_DEFAULT.warmup_steps, ge=0, lt=1 << 32)
    final_share: Share = Field(_DEFAULT.final_share, description="Of the peak, where `linear` ends.")
    batch_size: Whole = Field(_DEFAULT.batch_size, description="Examples a step.")
    micro_batch: Whole | None = Field(None, description="Of them at a time; null: the trainer chooses.")
    epochs: Above = _DEFAULT.epochs
    steps: Whole | None = Field(None, description="End after so many instead of `epochs`.")
    max_tokens: Whole | None = Field(
        None, description="Longest example, which is never cut: longer ones fail. Null: the model's context."
    )
    weight_decay: float = Field(_DEFAULT.weight_decay, ge=0, le=1e9, allow_inf_nan=False)
    betas: tuple[Beta, Beta] = Field(_DEFAULT.betas, description="Of AdamW.")
    clip: Above = Field(_DEFAULT.clip, description="Most that the norm of a gradient may be.")
    precision: Literal["auto", "float32", "bfloat16"] = _DEFAULT.precision
    checkpointing: bool = Field(_DEFAULT.checkpointing, description="Recompute activations to save memory.")
    packing: bool = Field(_DEFAULT.packing, description="Several examples in one row, kept apart.")
    save_every: Whole | None = Field(None, description="Steps between checkpoints.")
    seed: int = Field(_DEFAULT.seed, ge=0, lt=1 << 32)
    lora: LoraOptions | None = Field(None, description="Null: all weights are trained.")

    def settings(self) -> TrainingSettings:
        """As the domain has them."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        lora = None if self.lora is None else Lora(**self.lora.model_dump())
        return TrainingSettings(**{**given, "lora": lora})


class TrainingCreate(BaseModel):
    """A training of an allowed base model on an uploaded file of JSON Lines, or on what came of a job.

    Rows of a file are `{"prompt": text or messages, "completion": text}`, or `{"messages": [...]}` that end
    with a turn of the assistant. Name either a file or a job.
    """

    model_config = example(
        name="graduate",
        base_model="student",
        input_file_id=FILE_ID,
        settings={"loss": "dft", "batch_size": 16, "epochs": 2},
    )
    name: str = Field(pattern=_NAME, description="Of the model that results.")
    base_model: str = Field(min_length=1, max_length=200, description="One that the trainer allows.")
    input_file_id: str | None = Field(None, max_length=80, description="The rows, uploaded.")
    input_job_id: str | None = Field(
        None,
        max_length=80,
        description="A job that has ended. Of refinements every kept, repaired or regenerated record whose "
        "answer is verified is a row; of rollouts the first right sample of every problem.",
    )
    most_cost: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Of a job of refinements: only records whose `utility.cost` is at most this, in nats a "
        "native token. A record without a cost is left out then.",
    )
    settings: TrainingOptions = TrainingOptions.model_validate({})
    arm: str | None = Field(None, max_length=64, description="Arm of a study, for the model's card.")
    instruction: str | None = Field(
        None, max_length=16_384, description="Put behind every prompt that is a plain text."
    )
    system: str | None = Field(
        None, max_length=16_384, description="System message before every prompt that is a plain text."
    )


class TrainedModelObject(BaseModel):
    """A published model; `path` is its folder in the tenant's name space of the artifact store."""

    name: str
    digest: str
    adapter: bool = Field(description="A low-rank adapter of its base.")
    path: str


class TrainingObject(BaseModel):
    """A training as it stands."""

    model_config = shown(
        id=TRAINING_ID,
        object="training",
        name="graduate",
        base_model="student",
        status="succeeded",
        step=120,
        steps=120,
        tokens=480_000,
        created_at=1764000000.5,
        ended_at=1764003600.5,
        error=None,
        model={
            "name": "graduate",
            "digest": _DIGEST,
            "adapter": False,
            "path": f"models/graduate/{_DIGEST}",
        },
    )
    id: str
    object: Literal["training"] = "training"
    name: str
    base_model: str
    status: TrainingState
    step: int = Field(description="Steps done.")
    steps: int = Field(description="In all; 0 before that is known.")
    tokens: int = Field(description="Trained on so far, of prompts and completions.")
    created_at: float
    ended_at: float | None
    error: str | None = Field(description="Why it failed.")
    model: TrainedModelObject | None


class TrainingList(BaseModel):
    """A page of trainings, newest first; `after` of the next page is `last_id`."""

    model_config = shown(object="list", data=[], first_id=None, last_id=None, has_more=False)
    object: Literal["list"] = "list"
    data: list[TrainingObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class TrainingStep(BaseModel):
    """One step done: its loss in nats a token (weighted by p for dft), null where it is no number."""

    object: Literal["training.step"] = "training.step"
    step: int
    steps: int
    loss: float | None
    learning_rate: float
    tokens: int
    tokens_per_second: float | None
    memory_bytes: int | None
