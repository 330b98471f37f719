"""Which LoRA adapters this engine can serve rightly, decided before vLLM sees them.

vLLM itself takes an adapter of another model without a word and serves nonsense.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.inference.adapters import WEIGHTS, read_adapter
from services.inference.vllm.settings import ADAPTED_LAYERS, VllmSettings
from shared.errors import FieldError, UnsupportedError

_LONGEST_HEADER = 1 << 26


def check_served(adapter: Path, model: Path, settings: VllmSettings) -> None:
    """Raises FieldError for an adapter that can't be served on a model, UnsupportedError where none can.

    Both are folders. The output layer and the embeddings must not be adapted: vLLM leaves that out when it
    scores a prompt.
    """
    rank, most = read_adapter(adapter).get("r"), settings.max_lora_rank
    if not settings.enable_lora:
        raise UnsupportedError("this engine was started without adapters; set enable_lora")
    if not isinstance(rank, int) or rank > most:
        raise FieldError("source", f"has rank {rank}", f"use a rank up to {most}, or raise max_lora_rank")
    parts = _shapes(adapter / WEIGHTS)
    _check_layers(set(parts))
    weights = [_shapes(file) for file in sorted(model.glob("*.safetensors"))]
    _check_sizes(parts, {name: shape for file in weights for name, shape in file.items()})


def _check_layers(parts: set[str]) -> None:
    layers = {_layer(part).rsplit(".", 1)[-1] for part in parts}
    foreign = sorted(layers - set(ADAPTED_LAYERS))
    if foreign:
        cure = f"adapt only {', '.join(ADAPTED_LAYERS)}"
        raise FieldError("source", f"changes {', '.join(foreign)}, which can't be scored", cure)


def _check_sizes(parts: dict[str, list[int]], weights: dict[str, list[int]]) -> None:
    """The two parts of a layer's adapter have the layer's width and height."""
    layers = {name.rsplit(".", 1)[0] for name in weights}
    for part, shape in parts.items():
        layer = _layer(part)
        # Quantised layers have no plain weight, so their size is not known here.
        height, width = weights.get(f"{layer}.weight", (0, 0))
        wanted, found = (width, shape[-1]) if ".lora_A." in part else (height, shape[0])
        if layer not in layers or (wanted and wanted != found):
            raise FieldError("source", f"doesn't fit {layer} of this model", "take an adapter of this model")


def _layer(part: str) -> str:
    """Name of the model's layer that a part of an adapter belongs to."""
    return part.split(".lora_")[0].removesuffix(".weight").removeprefix("base_model.model.")


def _shapes(file: Path) -> dict[str, list[int]]:
    """Name and shape of every tensor, from the header of a safetensors file."""
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        try:
            header: dict[str, Any] = json.loads(stream.read(min(size, _LONGEST_HEADER)))
            return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise FieldError("source", f"{file.name} is no safetensors file", "save it anew") from error
