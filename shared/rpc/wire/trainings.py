"""Trainings: domain types as messages, and back."""

from __future__ import annotations

from typing import Any, Literal

from shared.domain.training import (
    Lora,
    Loss,
    TrainingSettings,
    TrainingStanding,
    TrainingState,
)
from shared.rpc.generated.idiolect.trainer.v1 import trainer_pb2 as pb

Schedule = Literal["linear", "cosine", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
ARTIFACT = "artifact://"
DEFAULT = TrainingSettings()
STATES = {
    TrainingState.QUEUED: pb.TRAINING_STATE_QUEUED,
    TrainingState.RUNNING: pb.TRAINING_STATE_RUNNING,
    TrainingState.SUCCEEDED: pb.TRAINING_STATE_SUCCEEDED,
    TrainingState.FAILED: pb.TRAINING_STATE_FAILED,
    TrainingState.CANCELLED: pb.TRAINING_STATE_CANCELLED,
}
_LOSSES = {Loss.SFT: pb.LOSS_SFT, Loss.DFT: pb.LOSS_DFT}
_SCHEDULES: dict[Schedule, pb.Schedule.ValueType] = {
    "cosine": pb.SCHEDULE_COSINE,
    "linear": pb.SCHEDULE_LINEAR,
    "constant": pb.SCHEDULE_CONSTANT,
}
_PRECISIONS: dict[Precision, pb.Precision.ValueType] = {
    "auto": pb.PRECISION_UNSPECIFIED,
    "float32": pb.PRECISION_FLOAT32,
    "bfloat16": pb.PRECISION_BFLOAT16,
}


def settings_message(settings: TrainingSettings) -> pb.TrainingSettings:
    """The settings as a message, every field named."""
    lora = settings.lora
    return pb.TrainingSettings(
        loss=_LOSSES[settings.loss],
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        lora=None if lora is None else pb.Lora(rank=lora.rank, alpha=lora.alpha, dropout=lora.dropout),
        schedule=_SCHEDULES[settings.schedule],
        warmup_steps=settings.warmup_steps,
        final_share=settings.final_share,
        micro_batch=settings.micro_batch,
        steps=settings.steps,
        weight_decay=settings.weight_decay,
        beta1=settings.betas[0],
        beta2=settings.betas[1],
        clip=settings.clip,
        precision=_PRECISIONS[settings.precision],
        checkpointing=settings.checkpointing,
        packing=settings.packing,
        save_every=settings.save_every,
    )


def settings_of(message: pb.TrainingSettings) -> TrainingSettings:
    """The settings that a message means; what is missing has its default."""

    def given(name: Any) -> Any:
        return getattr(message, name) if message.HasField(name) else getattr(DEFAULT, name)

    lora = message.lora
    return TrainingSettings(
        loss=next((loss for loss, value in _LOSSES.items() if value == message.loss), Loss.SFT),
        learning_rate=given("learning_rate"),
        schedule=next((name for name, value in _SCHEDULES.items() if value == message.schedule), "cosine"),
        warmup_steps=message.warmup_steps,
        final_share=message.final_share,
        batch_size=given("batch_size"),
        micro_batch=given("micro_batch"),
        epochs=given("epochs"),
        steps=given("steps"),
        max_tokens=given("max_tokens"),
        weight_decay=message.weight_decay,
        betas=(
            message.beta1 if message.HasField("beta1") else DEFAULT.betas[0],
            message.beta2 if message.HasField("beta2") else DEFAULT.betas[1],
        ),
        clip=given("clip"),
        precision=next((name for name, value in _PRECISIONS.items() if value == message.precision), "auto"),
        checkpointing=message.checkpointing,
        packing=message.packing,
        save_every=given("save_every"),
        seed=message.seed,
        lora=Lora(lora.rank, lora.alpha, lora.dropout) if message.HasField("lora") else None,
    )


def standing_of(message: pb.Training) -> TrainingStanding:
    """A training as its message tells it."""
    return TrainingStanding(
        id=message.id,
        name=message.name,
        base=message.base_model,
        state=next(state for state, value in STATES.items() if value == message.state),
        step=message.step,
        steps=message.steps,
        tokens=message.tokens,
        created=message.created_at.seconds + message.created_at.nanos / 1e9,
        ended=_ended(message),
        error=message.error if message.HasField("error") else None,
        model=message.model.removeprefix(ARTIFACT) if message.HasField("model") else None,
        digest=message.model_digest if message.HasField("model_digest") else None,
        adapter=message.adapter,
    )


def _ended(message: pb.Training) -> float | None:
    if not message.HasField("ended_at"):
        return None
    return message.ended_at.seconds + message.ended_at.nanos / 1e9
