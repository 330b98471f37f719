"""The door of every service: trace, figures, size limit, and errors as statuses, for all methods alike."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc import aio

from shared.errors import FieldError, IdiolectError
from shared.metering import metered_from_here
from shared.metrics import ServiceMetrics
from shared.rpc.malformed import Malformed, lenient
from shared.rpc.spans import ended, server_span
from shared.rpc.status import code_of, trailers
from shared.rpc.usage import usage_trailer

MESSAGE_BYTES = 4 << 20
PREFIX = "/idiolect."
_LOG = logging.getLogger(__name__)


class Door(aio.ServerInterceptor):
    """Wraps the methods of the contract; health and reflection pass as they are."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of a method, guarded."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None or not method.startswith(PREFIX):
            return handler
        return self._guarded(handler, method)

    def _guarded(self, handler: Any, path: str) -> Any:
        reader = lenient(handler.request_deserializer.__self__)
        wrap: Callable[[Door, str, Any], Any] = _streaming if handler.response_streaming else _single
        answer = wrap(self, path, handler)
        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        return make(answer, request_deserializer=reader, response_serializer=handler.response_serializer)

    @asynccontextmanager
    async def call(self, path: str, context: Any) -> AsyncIterator[None]:
        """One call of a whole method: counted, traced, and ended with a status that says what went wrong."""
        span = server_span(path, context.invocation_metadata() or ())
        method = path.rpartition("/")[2]
        meter, started = metered_from_here(), time.perf_counter()
        self._metrics.began(method)
        code = grpc.StatusCode.CANCELLED
        try:
            yield
            if spent := usage_trailer(meter.usage):
                context.set_trailing_metadata(spent)
            code = grpc.StatusCode.OK
        except IdiolectError as error:
            code = code_of(error)
            await context.abort(code, str(error), (*trailers(error), *usage_trailer(meter.usage)))
        except (asyncio.CancelledError, GeneratorExit, aio.AbortError):
            raise
        except Exception as error:  # noqa: BLE001 - the call fails, the service lives on
            code = grpc.StatusCode.INTERNAL
            _LOG.exception("%s failed", method)
            await context.abort(code, f"a defect of the service: {type(error).__name__}: {error}")
        finally:
            self._metrics.tokens(read=meter.usage.tokens_in, written=meter.usage.tokens_out)
            self._metrics.ended(method, code.name, time.perf_counter() - started)
            ended(span, code)


def _single(door: Door, path: str, handler: Any) -> Callable[..., Awaitable[Any]]:
    """A method with one response. It must be a plain coroutine function: gRPC looks."""
    behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary
    accept = _each_accepted if handler.request_streaming else _accepted

    async def respond(request: Any, context: Any) -> Any:
        async with door.call(path, context):
            return await behaviour(accept(request), context)

    return respond


def _streaming(door: Door, path: str, handler: Any) -> Callable[..., AsyncIterator[Any]]:
    """A method with a stream of responses; whatever it holds is let go when the stream ends."""
    behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
    accept = _each_accepted if handler.request_streaming else _accepted

    async def respond(request: Any, context: Any) -> AsyncIterator[Any]:
        async with door.call(path, context), aclosing(behaviour(accept(request), context)) as responses:
            async for response in responses:
                yield response

    return respond


async def _each_accepted(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _accepted(request)


def _accepted(request: Any) -> Any:
    """The message, or the FieldError that keeps it out."""
    if isinstance(request, Malformed):
        raise request.error
    size = request.ByteSize()
    if size > MESSAGE_BYTES:
        problem = f"makes the message {size / 1e6:.1f} MB, and {MESSAGE_BYTES / 1e6:.1f} MB is the most"
        raise FieldError(_largest(request), problem, "shorten it or send it in parts")
    return request


def _largest(message: Message) -> str:
    """Dotted path of the field that makes a message large."""
    if not message.ListFields():
        return "request"
    field, value = max(message.ListFields(), key=lambda entry: _size(entry[1]))
    inner = _largest(value) if isinstance(value, Message) else ""
    return f"{field.name}.{inner}" if inner not in ("", "request") else str(field.name)


def _size(value: Any) -> int:
    if isinstance(value, Message):
        return value.ByteSize()
    if isinstance(value, str | bytes):
        return len(value)
    return sum(map(_size, value)) if hasattr(value, "__iter__") else 8
