"""Errors of this project as gRPC statuses, and back: the one place where the two meet.

| error | status |
|---|---|
| FieldError, InputError | INVALID_ARGUMENT |
| NotFoundError | NOT_FOUND |
| MismatchError, DriftError | FAILED_PRECONDITION |
| UnavailableError and all below it | UNAVAILABLE, with RetryInfo |
| UnsupportedError | UNIMPLEMENTED |
| BudgetError | RESOURCE_EXHAUSTED |
| IntegrityError | DATA_LOSS |

A status carries google.rpc.ErrorInfo with the class of the error and its parts, so that a client raises what
the service raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from shared import errors
from shared.errors import BusyError, DriftError, FieldError, IdiolectError, MismatchError

DOMAIN = "idiolect"
DETAILS = "grpc-status-details-bin"
PUSHBACK = "grpc-retry-pushback-ms"
RETRY_SECONDS = 1.0
_LONGEST_PUSHBACK = 10.0
Metadata = tuple[tuple[str, str | bytes], ...]

_CODES: tuple[tuple[type[IdiolectError], grpc.StatusCode], ...] = (
    (errors.NotFoundError, grpc.StatusCode.NOT_FOUND),
    (errors.MismatchError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.DriftError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.InputError, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.UnavailableError, grpc.StatusCode.UNAVAILABLE),
    (errors.UnsupportedError, grpc.StatusCode.UNIMPLEMENTED),
    (errors.BudgetError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.IntegrityError, grpc.StatusCode.DATA_LOSS),
)
_CLASSES = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, IdiolectError)
}
_BUSY = {kind.__name__: kind for kind in (BusyError, errors.AsleepError, errors.LimitedError)}


def code_of(error: IdiolectError) -> grpc.StatusCode:
    """Status code of the nearest named ancestor; INTERNAL where there is none."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)


def trailers(error: IdiolectError) -> Metadata:
    """Trailing metadata with the details of the error, and with a hint when to try again."""
    status = status_pb2.Status(code=code_of(error).value[0], message=str(error), details=_details(error))
    found: Metadata = ((DETAILS, status.SerializeToString()),)
    wait = retry_after(error)
    if wait is None:
        return found
    # A client that would wait for long within one call couldn't say what it waits for.
    return (*found, (PUSHBACK, str(int(wait * 1000)) if wait <= _LONGEST_PUSHBACK else "-1"))


def retry_after(error: IdiolectError) -> float | None:
    """Seconds after which it is worth asking again; None where it never is."""
    if isinstance(error, BusyError):
        return error.retry_after
    return RETRY_SECONDS if isinstance(error, errors.UnavailableError) else None


def _details(error: IdiolectError) -> list[any_pb2.Any]:
    info = error_details_pb2.ErrorInfo(
        reason=type(error).__name__, domain=DOMAIN, metadata=dict(_parts(error))
    )
    messages: list[error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo]
    messages = [info]
    if isinstance(error, FieldError):
        broken = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=f"{error.problem}; {error.cure}"
        )
        messages.append(error_details_pb2.BadRequest(field_violations=[broken]))
    wait = retry_after(error)
    if wait is not None:
        delay = duration_pb2.Duration(seconds=int(wait), nanos=int(wait % 1 * 1e9))
        messages.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return [_packed(message) for message in messages]


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    whole = any_pb2.Any()
    whole.Pack(message)
    return whole


def _parts(error: IdiolectError) -> list[tuple[str, str]]:
    """What the class of the error is made from, by name."""
    if isinstance(error, FieldError):
        return [("field", error.field), ("problem", error.problem), ("cure", error.cure)]
    if isinstance(error, MismatchError):
        return [("expected", error.expected), ("served", error.served)]
    if isinstance(error, BusyError):
        return [("reason", error.reason), ("retry_after", str(error.retry_after))]
    if isinstance(error, DriftError):
        return [(str(place), difference) for place, difference in enumerate(error.differences)]
    return []


def error_of(failed: grpc.RpcError, whom: str = "") -> IdiolectError:
    """What a failed call means: the service's own error, else one that begins with `whom`."""
    code, said = failed.code(), failed.details() or ""
    trailing: Any = failed.trailing_metadata() or ()
    packed = dict(trailing).get(DETAILS)
    sent = _sent(status_pb2.Status.FromString(packed)) if isinstance(packed, bytes) else None
    found = sent or _from_code(code, said, f"{whom}: " if whom else "")
    if isinstance(found, errors.UnavailableError):
        found.reached = sent is not None
    return found


def _sent(status: status_pb2.Status) -> IdiolectError | None:
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            return _rebuilt(info.reason, dict(info.metadata), status.message)
    return None


def _rebuilt(reason: str, parts: dict[str, str], message: str) -> IdiolectError | None:
    if reason == "FieldError":
        return FieldError(parts["field"], parts["problem"], parts["cure"])
    if reason == "MismatchError":
        return MismatchError(parts["expected"], parts["served"])
    if reason in _BUSY:
        return _BUSY[reason](parts["reason"], float(parts["retry_after"]))
    if reason == "DriftError":
        return DriftError(tuple(parts[str(place)] for place in range(len(parts))))
    kind = _CLASSES.get(reason)
    return None if kind is None else kind(message)


def _from_code(code: grpc.StatusCode, said: str, lead: str) -> IdiolectError:
    """For statuses that gRPC itself or a stranger sent."""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "message larger" in said:
        return FieldError("request", f"is too large ({said})", "send at most 4 MB a message; split it")
    kind = next((kind for kind, known in reversed(_CODES) if known is code), None)
    if kind in (None, errors.DriftError):
        kind = errors.UnavailableError if code in _GONE else IdiolectError
    return kind(f"{lead}{code.name}: {said}")


_GONE: Sequence[grpc.StatusCode] = (
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAVAILABLE,
)
