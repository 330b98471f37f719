"""Whether the gateway lives, can work, and what it counts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from services.gateway.described import Responses, streamed_response
from services.gateway.health import Probes
from services.gateway.health import ready as can_work
from services.gateway.house import Here
from services.gateway.schemas import Health, Readiness
from shared.version import VERSION

router = APIRouter(tags=["health"])

_NOT_READY: Responses = {
    200: {"model": Readiness, "description": "Ready."},
    503: {"model": Readiness, "description": "Something that is needed is gone."},
}


@router.get("/healthz")
@router.get("/v2/health/live", summary="Live, as KServe asks")
async def live() -> Health:
    """The process lives."""
    return Health(version=VERSION)


@router.get("/readyz", responses=_NOT_READY)
@router.get("/v2/health/ready", responses=_NOT_READY, summary="Ready, as KServe asks")
async def ready(request: Request) -> Response:
    """Whether store, Redis, student and oracle answer, as far as they are set up.

    A trainer is told of, but not waited for. Where there is one, student and oracle may be asleep.
    """
    probes: Probes = request.app.state.probes
    parts = await probes.look()
    stopping = request.app.state.stopping.is_set()
    well = not stopping and can_work(parts)
    shown = Readiness(ready=well, parts=parts)
    return JSONResponse(shown.model_dump(), 200 if well else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: streamed_response("text/plain", "Metrics for Prometheus.", "idiolect_http_requests_total 1\n")
    },
)
def metrics(house: Here) -> Response:
    """What the gateway counts."""
    return Response(generate_latest(house.figures.registry), media_type=CONTENT_TYPE_LATEST)
