"""Which tokens end a solution: those a model is configured with, and the one its template ends a turn with.

The two differ in base models that carry a template: Qwen2.5-Math-1.5B ends a text with ``<|endoftext|>`` and
a turn with ``<|im_end|>``; asked through its template it says the latter and, unstopped, would go on with
turns of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.errors import FieldError

_ANSWER = "forty-two"


def end_ids(tokenizer: Any, configured: int | Sequence[int] | None) -> frozenset[int]:
    """Ids that end a solution; `configured` is the `eos_token_id` of the model's generation config.

    Renders the template, so ask once a model. Raises FieldError for a template that can't show an answer.
    """
    several = [configured] if configured is None or isinstance(configured, int) else list(configured)
    found = [*several, tokenizer.eos_token_id, turn_end(tokenizer)]
    return frozenset(end for end in found if end is not None)


def turn_end(tokenizer: Any) -> int | None:
    """Id of the token that the template puts behind what the assistant said.

    None without a template, and where plain text or nothing follows.
    """
    if not tokenizer.chat_template:
        return None
    behind = _rendered(tokenizer).rpartition(_ANSWER)[2].lstrip()
    tokens = {str(token): identity for identity, token in tokenizer.added_tokens_decoder.items()}
    first = max((text for text in tokens if text and behind.startswith(text)), key=len, default=None)
    return None if first is None else tokens[first]


def _rendered(tokenizer: Any) -> str:
    """A question and its answer in the model's own template."""
    from jinja2 import TemplateError

    turns = [{"role": "user", "content": "6 * 7?"}, {"role": "assistant", "content": _ANSWER}]
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=False))
    except TemplateError as error:
        cure = "use a template that can show a question and its answer"
        raise FieldError("chat_template", f"can't be rendered ({error})", cure) from error
