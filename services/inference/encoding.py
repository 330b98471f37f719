"""How a conversation and a text become token ids: the same in every engine that has the tokenizer.

A `tokenizer` is a fast tokenizer of transformers; nothing here needs torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shared.domain.model import Message
from shared.domain.trajectory import Span
from shared.errors import FieldError

# The day that templates are told, by format; it is the one that LLaMA's own templates fall back to.
_DAYS = {"%d %b %Y": "26 Jul 2024", "%Y-%m-%d": "2024-07-26", "%d %B %Y": "26 July 2024"}


def render(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Ids of a conversation in the model's own template, up to where its answer begins.

    What looks like a special token in a message is read as ordinary text, so nobody's text can open a turn.
    Templates that write the date are given one and the same, since prompts must not change from day to day.
    Without a template the contents follow each other, a blank line after each. Raises FieldError for what
    the template refuses.
    """
    for place, message in enumerate(messages):
        check_unicode(f"messages[{place}].content", message.content)
    masked = _Mask(tokenizer, messages)
    if not tokenizer.chat_template:
        plain = "".join(f"{message.content}\n\n" for message in masked.messages)
        return masked.ids(plain, add_special_tokens=True)
    return masked.ids(_rendered(tokenizer, masked.messages), add_special_tokens=False)


class _Mask:
    """Messages in which texts of special tokens are hidden while a template is filled."""

    def __init__(self, tokenizer: Any, messages: Sequence[Message]) -> None:
        self._tokenizer = tokenizer
        texts = sorted(map(str, tokenizer.added_tokens_decoder.values()), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, texts)) or r"(?!)")
        self._hidden: list[str] = []
        self._key = _unused(message.content for message in messages)
        self.messages = [replace(message, content=self._masked(message.content)) for message in messages]

    def _masked(self, content: str) -> str:
        return self._special.sub(self._hide, content)

    def _hide(self, found: re.Match[str]) -> str:
        self._hidden.append(found[0])
        return f"{self._key}{len(self._hidden) - 1}{self._key}"

    def ids(self, rendered: str, *, add_special_tokens: bool) -> list[int]:
        """Ids of the filled template, with what was hidden as ordinary text in its place."""
        pieces = re.split(f"{self._key}([0-9]+){self._key}", rendered) if self._hidden else [rendered]
        found: list[int] = []
        for place, piece in enumerate(pieces):
            if place % 2:
                found += encode(self._tokenizer, self._hidden[int(piece)])[0]
            elif piece:
                first = add_special_tokens and place == 0
                found += self._tokenizer(piece, add_special_tokens=first)["input_ids"]
        return found


def _unused(texts: Iterable[str]) -> str:
    """A short string of private characters that none of the texts holds."""
    whole = "".join(texts)
    return next(key for key in (chr(0xE000) * size for size in range(2, len(whole) + 3)) if key not in whole)


def _rendered(tokenizer: Any, messages: Sequence[Message]) -> str:
    from jinja2 import TemplateError

    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        text: str = tokenizer.apply_chat_template(
            turns,
            chat_template=_timeless(tokenizer.get_chat_template()),
            add_generation_prompt=True,
            tokenize=False,
            date_string=_DAYS["%d %b %Y"],
        )
    except TemplateError as error:
        cure = "use the roles in the order that the model was trained on"
        raise FieldError("messages", f"are refused by the model's template ({error})", cure) from error
    return text


def _timeless(template: str) -> str:
    """The template with a clock that stands still: a macro goes before the function of that name."""
    if "strftime_now" not in template:
        return template
    days = f"{_DAYS}.get(format, {_DAYS['%d %b %Y']!r})"
    return f"{{%- macro strftime_now(format) -%}}{{{{ {days} }}}}{{%- endmacro -%}}{template}"


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


def configured_ends(folder: Path) -> int | list[int] | None:
    """The `eos_token_id` that a model's folder names for generation."""
    for file in (folder / "generation_config.json", folder / "config.json"):
        if file.is_file():
            found: int | list[int] | None = json.loads(file.read_text("utf-8")).get("eos_token_id")
            return found
    return None
