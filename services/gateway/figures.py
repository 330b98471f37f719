"""What the gateway tells Prometheus.

| metric | type | labels |
|---|---|---|
| idiolect_http_requests_total | counter | method, route, status |
| idiolect_http_request_duration_seconds | histogram, until the answer is sent whole | method, route |
| idiolect_http_requests_in_flight | gauge | - |
| idiolect_gateway_accepted_lines_total | counter: lines of accepted jobs | operation |
| idiolect_gateway_accepted_jobs_total | counter | operation |
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import Message, Scope, Send

from shared.metrics import SECONDS

_ROUTED = ("method", "route")
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})


class GatewayFigures:
    """Counters of one gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "idiolect_http_requests", "Requests answered.", (*_ROUTED, "status"), registry=registry
        )
        self._duration = Histogram(
            "idiolect_http_request_duration_seconds",
            "How long requests took.",
            _ROUTED,
            buckets=SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge("idiolect_http_requests_in_flight", "Requests under way.", registry=registry)
        self._lines = Counter(
            "idiolect_gateway_accepted_lines", "Lines of accepted jobs.", ("operation",), registry=registry
        )
        self._jobs = Counter(
            "idiolect_gateway_accepted_jobs", "Accepted jobs.", ("operation",), registry=registry
        )

    def accepted(self, operation: str, lines: int) -> None:
        """A job was accepted."""
        self._jobs.labels(operation).inc()
        self._lines.labels(operation).inc(lines)

    @contextmanager
    def watch(self, scope: Scope) -> Iterator[Watched]:
        """Count a request and measure it."""
        watched, begun = Watched(), time.monotonic()
        self._in_flight.inc()
        try:
            yield watched
        finally:
            self._in_flight.dec()
            labels = method_of(scope), route_of(scope) or "none"
            self._requests.labels(*labels, str(watched.status)).inc()
            self._duration.labels(*labels).observe(time.monotonic() - begun)


@dataclass(slots=True)
class Watched:
    """A request under way; `status` as it was sent, 0 before."""

    status: int = 0

    def told(self, send: Send) -> Send:
        """`send`, overheard."""

        async def overheard(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            await send(message)

        return overheard


def method_of(scope: Scope) -> str:
    """The method; clients can invent some."""
    return scope["method"] if scope["method"] in _METHODS else "other"


def route_of(scope: Scope) -> str | None:
    """The route's template, never the path: ids are no labels. None before it is found, or where none is."""
    return getattr(scope.get("route"), "path", None)
