"""Orders of trainings as plain values, for files and stored objects, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.domain.training import Lora, Loss, TrainingOrder, TrainingSettings


def settings_values(settings: TrainingSettings) -> dict[str, Any]:
    """The settings as JSON values."""
    return {**asdict(settings), "loss": settings.loss.value, "betas": list(settings.betas)}


def settings_of(values: Mapping[str, Any]) -> TrainingSettings:
    """The settings that such values mean; what isn't named has its default."""
    told = dict(values)
    if told.get("loss") is not None:
        told["loss"] = Loss(told["loss"])
    if told.get("betas") is not None:
        told["betas"] = tuple(told["betas"])
    if told.get("lora") is not None:
        told["lora"] = Lora(**told["lora"])
    return TrainingSettings(**told)


def order_values(order: TrainingOrder) -> dict[str, Any]:
    """The order as JSON values."""
    return {**asdict(order), "rows": str(order.rows), "settings": settings_values(order.settings)}


def order_of(values: Mapping[str, Any]) -> TrainingOrder:
    """The order that such values mean."""
    told = {**values, "rows": Path(values["rows"]), "settings": settings_of(values["settings"])}
    return TrainingOrder(**told)
