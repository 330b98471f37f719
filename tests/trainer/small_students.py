"""Students of some ten thousand weights, made on the spot, and rows to train them on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.domain.training import TrainingOrder, TrainingProgress, TrainingSettings

CONTEXT = 96
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SETTINGS = TrainingSettings(batch_size=4, steps=6, learning_rate=1e-2, precision="float32")


def make_student(folder: Path, seed: int = 1, positions: int = CONTEXT) -> Path:
    """A tiny untrained Qwen2 with a byte-level tokenizer of its own."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    learner = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    raw.train_from_iterator([completion(number) for number in range(50)], learner)
    made = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|endoftext|>")
    made.chat_template = TEMPLATE
    return made


def completion(number: int) -> str:
    return f"{number} + {number} = {2 * number}. " + "So it is. " * (number % 3)


def write_rows(file: Path, count: int = 20) -> Path:
    """Rows of different lengths."""
    rows = [
        {"prompt": f"What is {number} + {number}?", "completion": completion(number)}
        for number in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def order_of(base: Path, rows: Path, **changed: Any) -> TrainingOrder:
    return TrainingOrder("pupil", str(base), rows, replace(SETTINGS, **changed))


def losses(curve: tuple[TrainingProgress, ...]) -> list[float]:
    return [step.loss for step in curve]


def ignore(progress: TrainingProgress) -> None:
    """A watch that doesn't watch."""
