"""What the tests ask of an engine, in one line."""

import json
from pathlib import Path

from services.inference.base import LanguageModel
from shared.domain.model import Message, Prompt, Sample, Sampling

PROBLEM = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. "
    "How many clips did Natalia sell altogether in April and May?"
)
PROMPT = Prompt((Message("user", PROBLEM),))
SOLUTION = (
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nAltogether she sold 48+24 = 72 clips — that’s 72."
)


async def samples(model: LanguageModel, sampling: Sampling, prompt: Prompt = PROMPT) -> list[Sample]:
    """All samples of a request, in order of their numbers."""
    return sorted([sample async for sample in model.sample(prompt, sampling)], key=lambda one: one.index)


async def texts(model: LanguageModel, sampling: Sampling, prompt: Prompt = PROMPT) -> list[str]:
    """Their texts."""
    return [sample.text for sample in await samples(model, sampling, prompt)]


def write_adapter(
    folder: Path, *, width: int, layers: int, rank: int = 4, layer: str = "self_attn.q_proj"
) -> Path:
    """A folder with a random LoRA adapter for one kind of square layer, strong enough to be heard."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    source = torch.Generator().manual_seed(0)
    weights = {}
    for place in range(layers):
        name = f"base_model.model.model.layers.{place}.{layer}"
        weights[f"{name}.lora_A.weight"] = torch.randn(rank, width, generator=source)
        weights[f"{name}.lora_B.weight"] = torch.randn(width, rank, generator=source)
    save_file(weights, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": rank,
        "target_modules": ["q_proj"],
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
