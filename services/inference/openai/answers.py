"""Reads what an endpoint sends, believing nothing: pieces of a stream, usage, finish reasons."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from services.inference.openai.faults import BrokenAnswerError
from services.inference.openai.spending import Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer.

    Attributes:
        text: the new text. finished: whether it ended by itself.
        usage: tokens in both directions. cached: prompt tokens that the server had in its cache.
    """

    text: str
    finished: bool
    usage: Usage
    cached: int


def mapping(value: object) -> dict[str, object]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def first_choice(answer: object) -> dict[str, object]:
    """The first choice of an answer; empty where it has none (as the last piece of a stream)."""
    choices = mapping(answer).get("choices")
    return mapping(choices[0]) if isinstance(choices, list) and choices else {}


def read_usage(answer: object) -> tuple[Usage, int] | None:
    """Usage and cached prompt tokens, where the server tells."""
    usage = mapping(mapping(answer).get("usage"))
    tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    if not _count(tokens_in) or not _count(tokens_out):
        return None
    cached = mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    assert isinstance(tokens_in, int)
    assert isinstance(tokens_out, int)
    return Usage(tokens_in, tokens_out), cached if isinstance(cached, int) else 0


async def read_stream(pieces: AsyncIterator[object], prompt_tokens: int, meter: Usage) -> Answer:
    """The answer in a stream's pieces; `meter` always holds what is known to be spent so far.

    `prompt_tokens` is the estimate that counts until the server tells. Raises BrokenAnswerError for a stream
    that ends without a reason.
    """
    texts: list[str] = []
    reason, cached = "", 0
    async for piece in pieces:
        choice = first_choice(piece)
        if choice:
            text = _text(choice)
            texts.append(text)
            meter.tokens_in = prompt_tokens
            meter.tokens_out += bool(text)
            reason = str(choice.get("finish_reason") or reason)
        if (told := read_usage(piece)) is not None:
            (meter.tokens_in, meter.tokens_out), cached = (told[0].tokens_in, told[0].tokens_out), told[1]
    if not reason:
        raise BrokenAnswerError("the answer ended without a finish reason")
    return Answer("".join(texts), reason == "stop", Usage(meter.tokens_in, meter.tokens_out), cached)


def cut(answer: Answer, stops: Sequence[str]) -> Answer:
    """The answer without its stop string: some servers leave it in the text."""
    places = [place for stop in stops if (place := answer.text.find(stop)) >= 0]
    if not places:
        return answer
    return Answer(answer.text[: min(places)], True, answer.usage, answer.cached)


def _text(choice: dict[str, object]) -> str:
    """New text of a piece: a completion's, or the delta of a chat."""
    text = choice["text"] if "text" in choice else mapping(choice.get("delta")).get("content")
    return text if isinstance(text, str) else ""


def _count(value: object) -> bool:
    return isinstance(value, int) and value >= 0
