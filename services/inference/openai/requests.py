"""The bodies of requests: what the domain asks, in the endpoint's words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from services.inference.encoding import check_unicode
from services.inference.openai.settings import OpenAISettings
from shared.domain.model import Prompt, Sampling
from shared.errors import FieldError

# For tokenizers that are unknown: what a chat template adds to a message, and how many bytes make a token.
TURN_TOKENS = 8
TOKEN_BYTES = 3


def check_texts(prompt: Prompt, sampling: Sampling) -> None:
    """Raises FieldError for text that has no UTF-8 form, and so can't be sent."""
    for place, message in enumerate(prompt.messages):
        check_unicode(f"messages[{place}].content", message.content)
    check_unicode("prefix", prompt.prefix)
    for stop in sampling.stop:
        check_unicode("stop", stop)


def chat_body(
    settings: OpenAISettings, model: str, prompt: Prompt, sampling: Sampling, index: int
) -> dict[str, object]:
    """Body of one sample's chat completion. Raises FieldError for a prefix that the server can't continue."""
    turns = [{"role": message.role, "content": message.content} for message in prompt.messages]
    body = _sampled(model, sampling, index, settings.output_limit, sampling.max_tokens)
    if not prompt.prefix:
        return {**body, "messages": turns}
    if not settings.continues:
        cure = "use mode completions with a tokenizer, or set continues where the server is able to"
        raise FieldError("prefix", "can't be given to a chat endpoint", cure)
    going_on = {"add_generation_prompt": False, "continue_final_message": True}
    return {**body, **going_on, "messages": [*turns, {"role": "assistant", "content": prompt.prefix}]}


def completion_body(
    model: str, prompt: str | Sequence[int], sampling: Sampling, index: int, limit: int
) -> dict[str, object]:
    """Body of one sample's completion of a prompt (text or ids) with at most `limit` new tokens."""
    return {**_sampled(model, sampling, index, "max_tokens", limit), "prompt": prompt}


def estimate(prompt: Prompt) -> int:
    """Tokens of a prompt whose tokenizer is unknown: one for three bytes, and eight a turn."""
    text = "".join([*(message.content for message in prompt.messages), prompt.prefix])
    return len(text.encode("utf-8", "surrogatepass")) // TOKEN_BYTES + TURN_TOKENS * len(prompt.messages)


def _sampled(model: str, sampling: Sampling, index: int, limit_name: str, limit: int) -> dict[str, object]:
    body: dict[str, object] = {
        "model": model,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": stream_seed(sampling.seed, index),
        limit_name: limit,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.schema is not None:
        body["response_format"] = _format(sampling.schema)
    return body


def stream_seed(seed: int, index: int) -> int:
    """Seed of sample `index`: 31 bits, which every server takes."""
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def _format(schema: str) -> dict[str, object]:
    try:
        parsed = json.loads(schema)
    except json.JSONDecodeError as error:
        raise FieldError("schema", f"is no JSON ({error})", "give a JSON schema as text") from error
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": parsed}}
