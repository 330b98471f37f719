"""Results as Parquet: asked for here, written by the pipeline, sent from the store as it stands there."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from services.gateway.errors import HttpError
from services.gateway.house import House
from services.gateway.options import JSONL
from services.gateway.schemas import ExportObject
from shared.errors import NotFoundError
from shared.jobs.errands import Errand, ask, failure, hindrance
from shared.jobs.order import JobOrder

PARQUET = "application/vnd.apache.parquet"
_AGAIN_SECONDS = 2


def parquet_answer(house: House, order: JobOrder) -> Response:
    """The file, or 202 until it is there. HttpError 409 where it can't be written."""
    place = order.key.parquet
    try:
        length = house.store.size(place)
    except NotFoundError:
        return _waiting(house, order)
    headers = {"Content-Length": str(length), "Idiolect-Job-Status": house.desk.state(order).value}
    return StreamingResponse(house.store.stream(place), media_type=PARQUET, headers=headers)


def _waiting(house: House, order: JobOrder) -> Response:
    failed = failure(house.store, order.key, Errand.PARQUET)
    if failed is not None:
        text = f"format: the results can't be written as Parquet ({failed}); take JSON Lines"
        raise HttpError(409, text, "parquet_failed", param="format")
    told = ExportObject(job=order.key.job, status="running", reason=None)
    if house.desk.end(order.key) is not None:
        ask(house.store, order.key, Errand.PARQUET)
        house.tell_workers(order)
        hindered = hindrance(house.store, order.key, Errand.PARQUET)
        told = ExportObject(job=order.key.job, status="writing", reason=hindered or None)
    return JSONResponse(told.model_dump(mode="json"), 202, headers={"Retry-After": str(_AGAIN_SECONDS)})


def results_response() -> dict[str, Any]:
    """How the OpenAPI describes results."""
    rows = {"schema": {"type": "string"}, "example": '{"line": 1}\n'}
    file = {"schema": {"type": "string", "format": "binary"}, "example": "PAR1..."}
    return {"description": "Records in the order of the input.", "content": {JSONL[0]: rows, PARQUET: file}}
