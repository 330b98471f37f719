"""Writes a trained model as a folder that loads like any other, or the adapter that was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from services.inference.adapters import CONFIG, adapted_digest
from services.inference.checkpoint import digest_of
from services.trainer.starting import Base, load_tokenizer
from shared.errors import FieldError

_SETTLED = ("config.json", "generation_config.json")
_OURS = "*.safetensors"


def save(trainer: Any, base: Base, target: Path, *, adapted: bool) -> None:
    """Write the model of every process, and move it to `target` at once."""
    _check_numbers(trainer.model)
    aside = target.with_name(f".{target.name}")
    if trainer.is_world_process_zero():
        shutil.rmtree(aside, ignore_errors=True)
    trainer.save_model(str(aside))
    if trainer.is_world_process_zero():
        _settle_adapter(aside, base) if adapted else _settle_model(aside, base)
        aside.rename(target)
    trainer.accelerator.wait_for_everyone()


def digest(base: Base, folder: Path, *, adapted: bool) -> str:
    """The digest under which an engine serves what is in the folder."""
    if adapted:
        return adapted_digest(base.digest, folder)
    return digest_of(folder, load_tokenizer(folder).chat_template)


def _check_numbers(model: Any) -> None:
    # Of weights that are spread over processes, each looks at its own part.
    local = (
        getattr(weights, "to_local", lambda weights=weights: weights)() for weights in model.parameters()
    )
    if not all(bool(weights.isfinite().all()) for weights in local):
        cure = "lower the learning rate or warm up longer"
        raise FieldError("settings.learning_rate", "weights became infinite or no numbers", cure)


def _settle_model(folder: Path, base: Base) -> None:
    """Only weights are new: the configuration is the base's, and so is the tokenizer.

    The libraries write the tokens they padded with into both.
    """
    _keep_only(folder, _OURS, "*.safetensors.index.json")
    for name in _SETTLED:
        if (base.folder / name).is_file():
            shutil.copyfile(base.folder / name, folder / name)
    base.tokenizer.save_pretrained(folder)


def _settle_adapter(folder: Path, base: Base) -> None:
    """The adapter with a configuration that is the same for the same training, wherever the base lay."""
    _keep_only(folder, _OURS, CONFIG)
    config = json.loads((folder / CONFIG).read_bytes())
    config["base_model_name_or_path"] = base.name
    config["target_modules"] = sorted(config["target_modules"])
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def _keep_only(folder: Path, *patterns: str) -> None:
    kept = {path for pattern in patterns for path in folder.glob(pattern)}
    for path in folder.iterdir():
        if path not in kept:
            path.unlink()
