"""The student's tokenizer: byte-level pairs, every digit a token, and a chat template of a few characters."""

from __future__ import annotations

from typing import Any

from services.embedded.miniature.corpus import texts

SIZE = 512
END, PAD = "<|end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
)
_TEXTS = 3000


def made(context: int) -> Any:
    """A fast tokenizer of transformers, of at most `SIZE` tokens; the same on every call."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_learnt(), eos_token=END, pad_token=PAD, model_max_length=context
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _learnt() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    learnt = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    learnt.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    learnt.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=[PAD, END, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learnt.train_from_iterator(texts(seed=0, count=_TEXTS), trainer)
    return learnt
