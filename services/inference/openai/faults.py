"""What the endpoint's refusals mean to the caller."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.inference.openai.retrying import asked_wait, passing
from services.inference.openai.settings import OpenAISettings
from shared.errors import BusyError, FieldError, IdiolectError, LimitedError, UnavailableError

if TYPE_CHECKING:
    import openai

_TOO_LONG = re.compile(
    r"context.{0,12}(length|window|size)|maximum.{0,20}(length|tokens)|too (long|many tokens)", re.I
)
# Names of the request's fields as the caller knows them.
_FIELDS = {
    "prompt": "messages",
    "response_format": "schema",
    "max_completion_tokens": "max_tokens",
}
_SHOWN = 300
_LIMITED_SECONDS = 5.0


class BrokenAnswerError(Exception):
    """The server sent something that is no answer; never leaves the engine."""


class NoRouteError(UnavailableError):
    """The endpoint has no such function at all."""


def may_pass(error: openai.APIError | BrokenAnswerError) -> bool:
    """Whether the same request may succeed later."""
    status, code = status_of(error), getattr(error, "code", None)
    return status is None or passing(status, code)


def status_of(error: Exception) -> int | None:
    """HTTP status of a refusal; None for lost connections, time-outs and broken answers.

    An error inside a stream has its status, if any, as the code in its body.
    """
    status = getattr(error, "status_code", None)
    if status is not None and status >= 400:
        return int(status)
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, str) and re.fullmatch("[45]\\d\\d", code) else None


def asked_by(error: Exception) -> float | None:
    """Seconds to wait, as the refusal's headers ask."""
    response = getattr(error, "response", None)
    return asked_wait(response.headers) if response is not None else None


def concerns_model(error: Exception, model: str) -> bool:
    """Whether the refusal may mean that the model isn't there, so that its list is worth asking for."""
    status, code = status_of(error), getattr(error, "code", None)
    named = getattr(error, "param", None) == "model" or f"'{model}'" in one_line(error)
    return status == 404 or code == "model_not_found" or (status in (400, 422) and named)


def explained(
    error: Exception,
    settings: OpenAISettings,
    *,
    model: str,
    field: str,
    attempts: int,
    served: Sequence[str],
) -> IdiolectError:
    """The error to raise.

    Args:
        error: of the client library, or a BrokenAnswerError.
        settings: of the endpoint. model: that was asked for.
        field: what the caller gave that may be too long, ``messages`` or ``text``.
        attempts: how often it was tried. served: models that exist, where that was asked for.
    """
    status, place = status_of(error), settings.place
    if status in (401, 403):
        return UnavailableError(_key_fault(settings, status))
    if concerns_model(error, model) and model not in served:
        return _model_fault(status, model, served, place)
    if status in (404, 405, 501):
        return NoRouteError(f"{place} offers no such function ({status}); check base_url and mode")
    if status is not None and 400 <= status < 500 and not passing(status, None):
        return _field_fault(error, field, place)
    lost, asked = _lost(error, status, place, attempts), asked_by(error)
    if status == 429 and passing(status, getattr(error, "code", None)):
        return LimitedError(lost, _LIMITED_SECONDS if asked is None else math.ceil(asked))
    return UnavailableError(lost) if asked is None else BusyError(lost, math.ceil(asked))


def _key_fault(settings: OpenAISettings, status: int) -> str:
    if not settings.key_source:
        return f"{settings.place} wants a key ({status}); set api_key_file or api_key_env"
    return f"{settings.place} refuses the key in {settings.key_source} ({status})"


def _model_fault(status: int | None, model: str, served: Sequence[str], place: str) -> IdiolectError:
    if served:
        return UnavailableError(f"{place} has no model {model!r}; it serves {', '.join(sorted(served))}")
    if status == 404:
        return NoRouteError(f"{place} has no such function or no model {model!r}; check base_url and model")
    return UnavailableError(f"{place} has no model {model!r}")


def _field_fault(error: Exception, field: str, place: str) -> FieldError:
    said = one_line(error)
    if getattr(error, "code", None) == "context_length_exceeded" or _TOO_LONG.search(said):
        cure = "shorten it, or ask for fewer tokens"
        return FieldError(field, f"doesn't fit into the model's context: {said}", cure)
    param = getattr(error, "param", None)
    name = param.removeprefix("body.") if isinstance(param, str) and param else "request"
    return FieldError(_FIELDS.get(name, name), f"was refused by {place}: {said}", "change it")


def _lost(error: Exception, status: int | None, place: str, attempts: int) -> str:
    tried = f"{place} failed {attempts} times" if attempts > 1 else f"{place} failed"
    if status == 429:
        waiting = passing(429, getattr(error, "code", None))
        cure = "ask more slowly (requests_per_minute, tokens_per_minute)" if waiting else "raise its quota"
        return f"{tried}: too many requests (429); {cure}"
    return f"{tried}: {one_line(error)}"


def one_line(error: Exception) -> str:
    """The message of an error, on one line of bounded length."""
    body = getattr(error, "body", None)
    # Servers made with FastAPI say it there.
    detail = body.get("detail", "") if isinstance(body, dict) else ""
    said = " ".join(f"{error} {detail}".split()) or type(error).__name__
    return said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
