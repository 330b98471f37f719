"""Spans of gRPC calls: named by the whole method, with how the call ended and nothing of what it said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import grpc
from opentelemetry.trace import Span, Status, StatusCode

from shared.tracing import answering, asking, outgoing

Metadata = tuple[tuple[str, str], ...]
_CODE = "rpc.grpc.status_code"
# What is no fault of the caller's, as OpenTelemetry's conventions for gRPC servers list it.
_FAULTS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def server_span(path: str, metadata: Iterable[tuple[str, object]]) -> Span:
    """The span of a call that came in as ``/SERVICE/METHOD``; `ended` ends it."""
    service, _, method = path.removeprefix("/").rpartition("/")
    return answering(f"{service}/{method}", metadata, _attributes(service, method))


def ended(span: Span, code: grpc.StatusCode) -> None:
    """A call that came in is over."""
    span.set_attribute(_CODE, code.value[0])
    if code in _FAULTS:
        span.set_status(Status(StatusCode.ERROR, code.name))
    span.end()


@contextmanager
def client_span(service: str, method: str) -> Iterator[Metadata]:
    """A call to a service; gives the metadata that must go with it, so that the other side is below it.

    It never is the current span: a stream can be read by turns with other work of its thread.
    """
    span = asking(f"{service}/{method}", _attributes(service, method))
    # A stream that isn't read to its end is cancelled by its reader, which is no error.
    code = grpc.StatusCode.CANCELLED
    try:
        yield tuple(outgoing(span).items())
        code = grpc.StatusCode.OK
    except grpc.RpcError as failed:
        code = failed.code()
        span.set_status(Status(StatusCode.ERROR, code.name))
        raise
    finally:
        span.set_attribute(_CODE, code.value[0])
        span.end()


def _attributes(service: str, method: str) -> dict[str, str | int]:
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
