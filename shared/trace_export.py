"""Sends the spans of this process to a collector (OTLP over HTTP), where one is named.

``OTEL_EXPORTER_OTLP_ENDPOINT`` names it, such as ``http://collector:4318``. Without it nothing of the SDK is
loaded. The SDK's other variables hold too (``OTEL_TRACES_SAMPLER``, ``OTEL_EXPORTER_OTLP_HEADERS``, ...).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.errors import FieldError
from shared.version import VERSION

VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"
FLUSH_SECONDS = 3.0
"""How long the end of a process may wait for the last spans to leave it."""


@contextmanager
def exporting(house: str) -> Iterator[None]:
    """Within, spans leave as those of ``idiolect-HOUSE``; the last ones at the end, within FLUSH_SECONDS.

    To be entered once by each process, after its forks: the thread that sends does not survive one.
    FieldError for an endpoint that is no URL.
    """
    if not is_wanted():
        yield
        return
    end = _begin(f"idiolect-{house}")
    try:
        yield
    finally:
        # The SDK would try for half a minute to reach a collector that is away.
        last = threading.Thread(target=end, name="last-spans", daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)


def is_wanted() -> bool:
    """Whether a collector is named."""
    endpoint = os.environ.get(VARIABLE, "").strip()
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise FieldError(VARIABLE, f"{endpoint!r} is no URL", "give one such as http://collector:4318")
    return bool(endpoint)


def _begin(service: str) -> Callable[[], None]:
    """Installs the SDK for this process; gives how to end it."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create(
        {"service.name": service, "service.version": VERSION, "process.pid": os.getpid()}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider.shutdown
