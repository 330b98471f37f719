"""The one mapping from errors to HTTP, in the envelope that clients of the OpenAI API know."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared import errors
from shared.errors import BusyError, FieldError, IdiolectError
from shared.rpc.status import retry_after

_LOG = logging.getLogger(__name__)

# The first that fits counts.
_STATUSES: tuple[tuple[type[IdiolectError], int, str], ...] = (
    (errors.NotFoundError, 404, "not_found"),
    (errors.DriftError, 409, "drift"),
    (errors.MismatchError, 409, "model_mismatch"),
    (errors.FieldError, 400, "invalid_value"),
    (errors.InputError, 400, "invalid_request"),
    (errors.BusyError, 503, "busy"),
    (errors.UnavailableError, 503, "unavailable"),
    (errors.UnsupportedError, 501, "unsupported"),
    (errors.BudgetError, 429, "budget_exhausted"),
    (errors.IntegrityError, 500, "integrity"),
)
_CODES = {401: "invalid_api_key", 404: "not_found", 405: "method_not_allowed"}


class HttpError(HTTPException):
    """An error that only exists over HTTP, such as a body that is too large."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.code = code
        self.param = param


def respond(error: Exception) -> Response:
    """The answer that tells of an error."""
    if isinstance(error, HttpError):
        return _answer(error.status_code, error.detail, error.code, error.param, error.headers)
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "invalid_request")
        return _answer(error.status_code, str(error.detail), code, None, error.headers)
    if isinstance(error, RequestValidationError):
        return _of_validation(error.errors())
    if isinstance(error, IdiolectError):
        return _of_ours(error)
    return _answer(500, "the gateway failed; its log says why", "internal")


def envelope(status: int, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """The body of an error."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    # Parts of the request that are quoted may hold what has no UTF-8 form.
    message = message.encode("utf-8", "backslashreplace").decode("utf-8")
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    param = None if param is None else param.encode("utf-8", "backslashreplace").decode("utf-8")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _answer(
    status: int,
    message: str,
    code: str,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return JSONResponse(envelope(status, message, code, param), status, headers=dict(headers or {}))


def status_of(error: IdiolectError) -> tuple[int, str]:
    """HTTP status and code of the nearest named ancestor."""
    return next(
        ((status, code) for kind, status, code in _STATUSES if isinstance(error, kind)), (500, "internal")
    )


def _of_ours(error: IdiolectError) -> Response:
    status, code = status_of(error)
    wait = error.retry_after if isinstance(error, BusyError) else retry_after(error)
    headers = {} if wait is None else {"Retry-After": str(math.ceil(wait))}
    return _answer(status, str(error), code, error.field if isinstance(error, FieldError) else None, headers)


def _of_validation(found: Sequence[Mapping[str, Any]]) -> Response:
    """The first field that can't be used; as OpenAI does, with status 400."""
    first = found[0]
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    param = ".".join(where) or "body"
    return _answer(400, f"{param}: {first['msg']}", "invalid_value", param)


def handle_errors(app: FastAPI) -> None:
    """Every error leaves the app in the envelope."""

    async def answer(_: Request, error: Exception) -> Response:
        return respond(error)

    async def answer_unexpected(_: Request, error: Exception) -> Response:
        _LOG.error("a request failed", exc_info=error)
        return respond(error)

    for kind in (HTTPException, RequestValidationError, IdiolectError):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(errors.IntegrityError, answer_unexpected)
    app.add_exception_handler(Exception, answer_unexpected)
