"""W3C trace context, carried from service to service, and spans; both work where nothing is exported.

Spans go where `shared.trace_export` sends them. Without it they are those of the API, which cost next to
nothing, and the trace travels all the same, for the logs. No span holds a text of a trajectory or a key.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.version import VERSION

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Attributes = Mapping[str, str | int]
HEADER = "traceparent"
_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("idiolect", VERSION)


def continue_trace(metadata: Iterable[tuple[str, object]]) -> None:
    """Go on with the trace that came with a call, or begin one; holds for the task that runs."""
    context = _extracted(metadata)
    attach(_of(trace.get_current_span(context), context))


def answering(
    name: str, metadata: Iterable[tuple[str, object]], attributes: Attributes | None = None
) -> Span:
    """The span of a call that came in, in the trace that came with it; whoever asks for it ends it.

    It holds for the task that runs: a stream may end in another one, so that nothing could be put back.
    """
    context = _extracted(metadata)
    span = _TRACER.start_span(name, context, SpanKind.SERVER, attributes)
    attach(_of(span, context))
    return span


def asking(name: str, attributes: Attributes | None = None) -> Span:
    """The span of a call to somebody else, which isn't the current one; whoever asks for it ends it."""
    return _TRACER.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)


@contextmanager
def resumed(
    name: str,
    parent: str | None,
    attributes: Attributes | None = None,
    kind: SpanKind = SpanKind.CONSUMER,
) -> Iterator[Span]:
    """A span of this thread for work that somebody left behind with `parent`, what `carried` gave them."""
    context = _extracted([] if parent is None else [(HEADER, parent)])
    span = _TRACER.start_span(name, context, kind, attributes)
    token = attach(_of(span, context))
    try:
        yield span
    except BaseException as error:
        # Its message may hold a text; the log has it.
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        span.end()
        detach(token)


def in_this_trace(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The same work for other threads, in the trace in which this one is now."""
    context = get_current()

    def within(*args: Parameters.args, **named: Parameters.kwargs) -> Result:
        token = attach(context)
        try:
            return work(*args, **named)
        finally:
            detach(token)

    return within


def outgoing(span: Span | None = None) -> Mapping[str, str]:
    """Headers that hand the current trace on, or that of `span`; empty outside a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, None if span is None else trace.set_span_in_context(span))
    return carrier


def carried() -> str | None:
    """The current trace in one line, to be kept with what will be worked later; None outside one."""
    return outgoing().get(HEADER)


def remark(name: str, value: str | int) -> None:
    """Say something about what the current span is at."""
    trace.get_current_span().set_attribute(name, value)


def trace_id() -> str | None:
    """The current trace as 32 hexadecimal digits; None outside one."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def _extracted(metadata: Iterable[tuple[str, object]]) -> Context:
    """The trace that came along and nothing else; what this process was at before doesn't matter."""
    carrier = {key: value for key, value in metadata if isinstance(value, str)}
    return _PROPAGATOR.extract(carrier, Context())


def _of(span: Span, context: Context) -> Context:
    """The context with the span in it; with a trace that nobody records where the span is of none."""
    if not span.get_span_context().is_valid:
        begun = SpanContext(secrets.randbits(128), secrets.randbits(64), False, TraceFlags(0))
        span = NonRecordingSpan(begun)
    return trace.set_span_in_context(span, context)
