"""What an endpoint needs to be told: where it is, what it may cost, and how patient we are."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from shared.errors import FieldError, UnavailableError

Mode = Literal["chat", "completions"]


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """Settings of one endpoint; holds no secret, only where the key is found.

    Attributes:
        base_url: address up to and with the version, for example ``http://127.0.0.1:8000/v1``.
        model: name of the model there.
        mode: how to sample. ``chat`` sends messages; ``completions`` renders the prompt with `tokenizer`.
        api_key_file, api_key_env: file that holds the key, or the variable's name; neither sends no key.
        tokenizer: folder with the model's tokenizer and template; needed by ``completions`` and to score.
        token_ids: whether the server takes prompts as token ids. False sends text, which it encodes itself.
        continues: whether a chat goes on from a prefix (vLLM's ``continue_final_message``).
        seeded: whether the server is known to honour seeds; they are sent in either case.
        context: most tokens of prompt and answer; 0 takes what the server's model list says.
        output_limit: name of the field that limits the answer of a chat.
        timeout: most seconds in which nothing arrives. concurrency: most requests at the same time.
        requests_per_minute, tokens_per_minute: client-side rates; tokens are those a request may need.
        max_retries: retries after the first attempt. first_wait: seconds, doubled with every attempt.
        longest_wait: most seconds between two attempts; a server that asks for more is given up.
        token_budget: most tokens in and out together.
        cost_budget: most cost, in the currency of the prices.
        price_in, price_out: per million tokens.
    """

    base_url: str
    model: str
    mode: Mode = "chat"
    api_key_file: Path | None = None
    api_key_env: str | None = None
    tokenizer: Path | None = None
    token_ids: bool = True
    continues: bool = False
    seeded: bool = False
    context: int = 0
    output_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    timeout: float = 120.0
    concurrency: int = 16
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_retries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    token_budget: int | None = None
    cost_budget: float | None = None
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        """Raises FieldError for settings that can't work."""
        _check_address(self.base_url)
        _check_choices(self)
        _check_numbers(self)

    @property
    def place(self) -> str:
        """Host, port and path of the endpoint, without the scheme."""
        parts = urlsplit(self.base_url)
        return parts.netloc + parts.path.rstrip("/")

    @property
    def key_source(self) -> str:
        """Where the key comes from, for people; empty without a key."""
        if self.api_key_file is not None:
            return f"file {self.api_key_file}"
        return f"variable {self.api_key_env}" if self.api_key_env is not None else ""


def read_key(settings: OpenAISettings) -> str | None:
    """The key, or None where none is configured. Raises UnavailableError where it can't be had."""
    if not settings.key_source:
        return None
    key = _raw_key(settings).strip()
    if not key:
        raise UnavailableError(f"there is no key in {settings.key_source}")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UnavailableError(f"{settings.key_source} holds more than a key; put the key alone there")
    return key


def _raw_key(settings: OpenAISettings) -> str:
    if settings.api_key_file is None:
        return os.environ.get(settings.api_key_env or "", "")
    try:
        return settings.api_key_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"{settings.key_source} can't be read ({type(error).__name__})") from error


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FieldError("base_url", "is no web address", "give one such as http://127.0.0.1:8000/v1")
    if parts.username is not None or parts.password is not None or parts.query:
        # The address is quoted in errors and digests, so it may hold no secret (and isn't quoted here).
        raise FieldError("base_url", "holds credentials or a query", "name a key file or variable instead")


def _check_choices(settings: OpenAISettings) -> None:
    if not settings.model:
        raise FieldError("model", "is empty", "name the model to ask for")
    if settings.mode not in ("chat", "completions"):
        raise FieldError("mode", f"is {settings.mode!r}", "choose chat or completions")
    if settings.mode == "completions" and settings.tokenizer is None:
        raise FieldError("tokenizer", "is not given", "name a folder with the model's tokenizer, or use chat")
    if settings.output_limit not in ("max_tokens", "max_completion_tokens"):
        cure = "choose max_tokens or max_completion_tokens"
        raise FieldError("output_limit", f"is {settings.output_limit!r}", cure)
    if settings.api_key_file is not None and settings.api_key_env is not None:
        raise FieldError("api_key_env", "is given beside api_key_file", "give one of the two")
    if settings.cost_budget is not None and (settings.price_in is None or settings.price_out is None):
        raise FieldError("cost_budget", "has no prices to count with", "give price_in and price_out")


def _check_numbers(settings: OpenAISettings) -> None:
    for name in ("timeout", "concurrency"):
        _check_number(name, getattr(settings, name), above_zero=True)
    for name in ("context", "max_retries", "first_wait", "longest_wait"):
        _check_number(name, getattr(settings, name), above_zero=False)
    for name in ("requests_per_minute", "tokens_per_minute"):
        if (rate := getattr(settings, name)) is not None:
            # The bucket hands out whole requests and tokens.
            _check_number(name, rate, above_zero=True)
            if rate < 1:
                raise FieldError(name, f"is {rate}", "give 1 or more a minute")
    for name in ("token_budget", "cost_budget", "price_in", "price_out"):
        if (amount := getattr(settings, name)) is not None:
            _check_number(name, amount, above_zero=False)


def _check_number(name: str, value: float, *, above_zero: bool) -> None:
    if not math.isfinite(value) or value < 0 or (above_zero and value == 0):
        raise FieldError(name, f"is {value}", "give a number above 0" if above_zero else "give 0 or more")
