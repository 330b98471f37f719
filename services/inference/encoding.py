"""How a conversation and a text become token ids: the same in every engine that has the tokenizer.

A `tokenizer` is a fast tokenizer of transformers; nothing here needs torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.domain.model import Message
from shared.domain.trajectory import Span
from shared.errors import FieldError


def render(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Ids of a conversation in the model's own template, up to where its answer begins.

    Without a template the contents follow each other, a blank line after each. Raises FieldError for what
    the template refuses.
    """
    for place, message in enumerate(messages):
        check_unicode(f"messages[{place}].content", message.content)
    if not tokenizer.chat_template:
        plain = "".join(f"{message.content}\n\n" for message in messages)
        return list(tokenizer(plain)["input_ids"])
    return list(tokenizer(_rendered(tokenizer, messages), add_special_tokens=False)["input_ids"])


def _rendered(tokenizer: Any, messages: Sequence[Message]) -> str:
    from jinja2 import TemplateError

    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        text: str = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        cure = "use the roles in the order that the model was trained on"
        raise FieldError("messages", f"are refused by the model's template ({error})", cure) from error
    return text


def encode(tokenizer: Any, text: str, field: str = "text") -> tuple[list[int], list[tuple[int, int]]]:
    """Ids and offsets (code points) of a text encoded alone.

    What looks like a special token in it is read as ordinary text. Raises FieldError (for `field`) for text
    that has no UTF-8 form.
    """
    if not text:
        return [], []
    check_unicode(field, text)
    encoded = tokenizer(
        text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    return encoded["input_ids"], encoded["offset_mapping"]


def token_spans(offsets: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Spans in ascending order that leave no character out.

    A blank that the tokenizer trimmed goes to the token after it; tokens that are parts of one character
    (byte-level vocabularies) all get the span of that character.
    """
    spans: list[Span] = []
    reached = 0
    for start, end in offsets:
        first = min(start, reached)
        spans.append(Span(first, max(end, first)))
        reached = max(reached, end)
    return tuple(spans)


def configured_ends(folder: Path) -> int | list[int] | None:
    """The `eos_token_id` that a model's folder names for generation."""
    for file in (folder / "generation_config.json", folder / "config.json"):
        if file.is_file():
            found: int | list[int] | None = json.loads(file.read_text("utf-8")).get("eos_token_id")
            return found
    return None


def longest_token(tokenizer: Any) -> int:
    """Most characters that one token can stand for."""
    return max(map(len, tokenizer.get_vocab()), default=1)


def check_size(field: str, text: str, context: int, longest: int) -> None:
    """Raises FieldError for a text that can't fit however it is encoded; spares encoding megabytes."""
    if len(text) > context * longest:
        raise FieldError(
            field, f"has {len(text)} characters, more than fit into {context} tokens", "shorten it"
        )


def check_unicode(field: str, text: str) -> None:
    """Raises FieldError for text that has no UTF-8 form."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        cure = "replace the lone surrogates"
        raise FieldError(field, f"has no UTF-8 form at character {error.start}", cure) from error
