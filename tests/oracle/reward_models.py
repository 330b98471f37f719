"""Small reward models with random weights, saved the way their trainers save them."""

from pathlib import Path

from services.inference.checkpoint import find_folder


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
