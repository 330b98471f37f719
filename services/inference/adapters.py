"""LoRA adapters in their folders: what must be there, and the digest of a model that wears one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from shared.errors import FieldError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_CURE = f"give a folder with {CONFIG} and {WEIGHTS}"


def read_adapter(folder: Path) -> dict[str, Any]:
    """The configuration of the LoRA adapter in a folder. Raises FieldError where it is none."""
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise FieldError("source", f"{folder} holds no adapter in safetensors", _CURE)
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except ValueError as error:
        raise FieldError("source", f"{folder / CONFIG} is no JSON", _CURE) from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise FieldError("source", f"{folder} is no LoRA adapter", "give a LoRA adapter")
    return config


def adapted_digest(model: str, folder: Path) -> str:
    """sha256 over the digest of a model and that of the adapter (configuration and weights) it wears."""
    adapter = b"".join(_digest(folder / name) for name in (CONFIG, WEIGHTS))
    return hashlib.sha256(bytes.fromhex(model) + hashlib.sha256(adapter).digest()).hexdigest()


def _digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
