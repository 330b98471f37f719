"""A recurrent student: its state runs on over the border of examples that share a row."""

from __future__ import annotations

from pathlib import Path

from small_students import CONTEXT, make_student


def make_mixing_student(folder: Path) -> Path:
    """A tiny recurrent model with the tokenizer of the small students."""
    import torch
    from transformers import MambaConfig, MambaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(make_student(folder.with_name("tokenizer-of-it")))
    torch.manual_seed(1)
    config = MambaConfig(
        vocab_size=len(tokenizer), hidden_size=32, state_size=8, num_hidden_layers=2, eos_token_id=0
    )
    config.max_position_embeddings = CONTEXT
    MambaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
