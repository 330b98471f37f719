"""W3C trace context, carried from service to service; no exporter is needed for it to travel."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def continue_trace(metadata: Iterable[tuple[str, object]]) -> None:
    """Go on with the trace that came with a call, or begin one; holds for the task that runs."""
    carrier = {key: value for key, value in metadata if isinstance(value, str)}
    context = _PROPAGATOR.extract(carrier)
    if not trace.get_current_span(context).get_span_context().is_valid:
        begun = SpanContext(secrets.randbits(128), secrets.randbits(64), False, TraceFlags(0))
        context = trace.set_span_in_context(NonRecordingSpan(begun), context)
    attach(context)


def outgoing() -> Mapping[str, str]:
    """Headers that hand the current trace on; empty outside a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier


def trace_id() -> str | None:
    """The current trace as 32 hexadecimal digits; None outside one."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
