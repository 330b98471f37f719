"""Small reward models with random weights, saved the way their trainers save them."""

from pathlib import Path

import pytest

from services.inference.checkpoint import find_folder

FAMILIES = ("qwen2", "llama")


def save_reward_model(folder: Path, family: str, head: str, labels: int) -> Path:
    """A folder with a random network of two layers and the tokenizer of SmolLM2."""
    import torch
    import transformers

    _, source = find_folder(None)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(source)
    tokenizer.save_pretrained(folder)
    config = transformers.AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        num_labels=labels,
        initializer_range=0.3,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(3)
    getattr(transformers, f"AutoModelFor{head}").from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", params=FAMILIES)
def step_model(request, tmp_path_factory):
    """A token classifier with two labels."""
    return save_reward_model(tmp_path_factory.mktemp("steps"), request.param, "TokenClassification", 2)


@pytest.fixture(scope="session", params=FAMILIES)
def solution_model(request, tmp_path_factory):
    """A sequence classifier with one label."""
    return save_reward_model(tmp_path_factory.mktemp("whole"), request.param, "SequenceClassification", 1)


@pytest.fixture(scope="session")
def headless_model(tmp_path_factory):
    """A language model without a classification head."""
    return save_reward_model(tmp_path_factory.mktemp("bare"), "qwen2", "CausalLM", 2)


@pytest.fixture(scope="session")
def odd_model(tmp_path_factory):
    """A token classifier with three labels."""
    return save_reward_model(tmp_path_factory.mktemp("odd"), "qwen2", "TokenClassification", 3)
