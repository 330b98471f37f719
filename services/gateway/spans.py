"""The span of a request: its method, the template of its route, how it was answered; no text and no key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Status, StatusCode
from starlette.datastructures import Headers
from starlette.types import Scope

from services.gateway.figures import Watched, method_of, route_of
from shared.tracing import answering, continue_trace

API = "/v1/"


@contextmanager
def traced(scope: Scope, headers: Headers, watched: Watched) -> Iterator[None]:
    """Goes on with the caller's trace. Probes and scrapes come all the time: they have no span."""
    if not scope["path"].startswith(API):
        continue_trace(headers.items())
        yield
        return
    method = method_of(scope)
    span = answering(method, headers.items(), {"http.request.method": method})
    try:
        yield
    except BaseException as error:
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        if (route := route_of(scope)) is not None:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        if watched.status:
            span.set_attribute("http.response.status_code", watched.status)
        if watched.status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()
