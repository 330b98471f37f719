"""LoRA adapters on a loaded model: safetensors only, put on and taken off without loading the model again."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.inference.adapters import adapted_digest, read_adapter
from services.inference.checkpoint import Checkpoint
from shared.errors import FieldError, UnavailableError

FAULTS = (ArithmeticError, LookupError, OSError, RuntimeError, ValueError)


def attach(bare: Checkpoint, folder: Path, name: str) -> Checkpoint:
    """The bare model with an adapter that is called `name` inside it.

    Its digest covers both. Raises FieldError for a folder that holds no LoRA adapter for this model, which
    then is as it was, and UnavailableError where peft isn't installed.
    """
    if importlib.util.find_spec("peft") is None:
        raise UnavailableError("peft is not installed; install idiolect[student]")
    read_adapter(folder)
    digest, before = adapted_digest(bare.digest, folder), _active(bare)
    try:
        _put_on(bare.model, folder, name)
    except FAULTS as error:
        detach(bare, name)
        if before:
            bare.model.set_adapter(before)
        raise FieldError("source", f"doesn't fit {bare.name} ({error})", "train it on this model") from error
    return replace(bare, digest=digest)


def detach(checkpoint: Checkpoint, name: str) -> None:
    """Take an adapter off again, if it is there."""
    if name in getattr(checkpoint.model, "peft_config", {}):
        checkpoint.model.delete_adapter(name)


def _active(checkpoint: Checkpoint) -> list[str]:
    return list(checkpoint.model.active_adapters()) if getattr(checkpoint.model, "peft_config", {}) else []


def _put_on(model: Any, folder: Path, name: str) -> None:
    """Raises ValueError where the weights of the folder aren't exactly those that the model now wants."""
    local = {"local_files_only": True}
    found = model.load_adapter(str(folder), adapter_name=name, use_safetensors=True, adapter_kwargs=local)
    odd = [*found.missing_keys, *found.unexpected_keys, *found.mismatched_keys]
    if odd:
        raise ValueError(f"{len(odd)} weights are missing or odd, {odd[0]} for one")
    model.set_adapter(name)
    model.eval()
