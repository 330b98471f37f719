"""The two ways in which servers tell log-probs of a prompt, and how to read them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.inference.openai.answers import mapping
from services.inference.openai.faults import BrokenAnswerError

UNKNOWN_RANK = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """Surprisal (nats, >= 0) and rank (1-based, 0 unknown) of a token, and how the server writes it."""

    surprisal: float
    rank: int
    piece: str


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask for the log-probs of a prompt.

    Attributes:
        name: for people. fields: what the request says. tokens_out: tokens that it generates.
        read: readings of every prompt token after the first, from the choice and the prompt's ids; None where
            the choice holds no log-probs.
        ranked: whether it tells ranks.
    """

    name: str
    fields: Mapping[str, object]
    tokens_out: int
    read: Callable[[Mapping[str, object], Sequence[int]], list[Reading] | None]
    ranked: bool


def read_prompt_logprobs(choice: Mapping[str, object], ids: Sequence[int]) -> list[Reading] | None:
    """vLLM's ``prompt_logprobs``: a mapping from token id to log-prob and rank a position."""
    found = choice.get("prompt_logprobs")
    if not isinstance(found, list):
        return None
    _check_length(len(found), len(ids))
    entries = [mapping(mapping(entry).get(str(number))) for entry, number in zip(found, ids, strict=True)]
    return [
        _reading(entry.get("logprob"), entry.get("rank"), entry.get("decoded_token")) for entry in entries[1:]
    ]


def read_echo(choice: Mapping[str, object], ids: Sequence[int]) -> list[Reading] | None:
    """The classic ``echo`` with ``logprobs``: lists over the prompt, and maybe a token after it; no ranks."""
    logprobs = mapping(choice.get("logprobs"))
    values, pieces = logprobs.get("token_logprobs"), logprobs.get("tokens")
    if not isinstance(values, list) or not isinstance(pieces, list):
        return None
    if len(values) < len(ids):
        # A server that ignores `echo` tells the log-probs of what it generated.
        return None
    _check_length(min(len(values), len(pieces)), len(ids), more=1)
    both = list(zip(values, pieces, strict=False))[1 : len(ids)]
    return [_reading(value, UNKNOWN_RANK, piece) for value, piece in both]


WAYS = (
    Way("prompt_logprobs", {"prompt_logprobs": 0, "max_tokens": 1}, 1, read_prompt_logprobs, True),
    Way("echo", {"echo": True, "logprobs": 1, "max_tokens": 0}, 0, read_echo, False),
    Way("echo", {"echo": True, "logprobs": 1, "max_tokens": 1}, 1, read_echo, False),
)


def same_pieces(readings: Sequence[Reading], pieces: Sequence[str]) -> bool:
    """Whether the server's vocabulary writes the tokens as the local tokenizer does, blanks aside.

    Servers write single tokens in different ways (a blank as ``Ġ``), so only letters and digits count.
    """
    ours = [_letters(piece) for piece in pieces]
    return [_letters(reading.piece) for reading in readings] == ours


def _letters(piece: str) -> str:
    return "".join(sign for sign in piece if sign.isascii() and sign.isalnum())


def _reading(logprob: object, rank: object, piece: object) -> Reading:
    if not isinstance(logprob, int | float) or not math.isfinite(logprob):
        raise BrokenAnswerError("the answer lacks the log-prob of a token")
    known = rank if isinstance(rank, int) and rank > 0 else UNKNOWN_RANK
    return Reading(max(0.0, -float(logprob)), known, piece if isinstance(piece, str) else "")


def _check_length(found: int, wanted: int, more: int = 0) -> None:
    if not wanted <= found <= wanted + more:
        raise BrokenAnswerError(f"the answer holds log-probs of {found} tokens, not of {wanted}")
