"""Batches, as the OpenAI API knows them."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request

from services.gateway.batches import BATCH, BatchRequest, BatchShelf
from services.gateway.described import errors_of
from services.gateway.files import Files
from services.gateway.house import Asked, Here
from services.gateway.openai_schemas import BatchCreate, BatchList, BatchObject
from services.gateway.options import check_cursor
from services.gateway.profiles import Profiles
from services.gateway.views import batch_view
from shared.errors import FieldError, NotFoundError
from shared.jobs.config import JobConfig
from shared.jobs.ids import new_id
from shared.jsonl import check_characters
from shared.tracing import carried

router = APIRouter(prefix="/v1/batches", tags=["batches"])


@router.post("", responses=errors_of(404))
def create_batch(asked: BatchCreate, request: Request, house: Here, caller: Asked) -> BatchObject:
    """Begin a batch. Its file is validated as OpenAI does: one bad line or doubled custom_id fails it all."""
    try:
        Files(house.store, caller.tenant).get(asked.input_file_id)
    except NotFoundError as error:
        raise FieldError("input_file_id", str(error), "upload it first with POST /v1/files") from None
    check_characters({"config": asked.config, "metadata": asked.metadata})
    config = JobConfig.of(asked.config or {}).to_json()
    config["profile"] = Profiles(house.store, caller.tenant).service_id(config["profile"])
    batch = BatchRequest(
        id=new_id(BATCH),
        tenant=caller.tenant,
        input_file_id=asked.input_file_id,
        endpoint=asked.endpoint,
        completion_window=asked.completion_window,
        created=int(time.time()),
        config=config,
        metadata=asked.metadata,
        trace=carried(),
    )
    shelf = BatchShelf(house.store, caller.tenant)
    shelf.keep(batch)
    request.app.state.sweeper.wake()
    return batch_view(shelf, house.desk, batch)


@router.get("", responses=errors_of())
def list_batches(
    house: Here,
    caller: Asked,
    after: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> BatchList:
    """Batches, newest first."""
    shelf = BatchShelf(house.store, caller.tenant)
    check_cursor(BATCH, after)
    found = list(shelf.page(after, limit + 1))
    data = [batch_view(shelf, house.desk, batch) for batch in found[:limit]]
    return BatchList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=len(found) > limit,
    )


@router.get("/{batch_id}", responses=errors_of(404))
def get_batch(batch_id: str, house: Here, caller: Asked) -> BatchObject:
    """One batch."""
    shelf = BatchShelf(house.store, caller.tenant)
    return batch_view(shelf, house.desk, shelf.get(batch_id))


@router.post("/{batch_id}/cancel", responses=errors_of(404, 409))
def cancel_batch(batch_id: str, request: Request, house: Here, caller: Asked) -> BatchObject:
    """End a batch early; what is finished stays. One that has ended stays as it is."""
    shelf = BatchShelf(house.store, caller.tenant)
    batch = shelf.get(batch_id)
    if shelf.refusal(batch_id) is None and shelf.closed(batch_id) is None:
        order = shelf.job(batch_id)
        if order is None or house.desk.end(order.key) is None:
            shelf.want_cancelled(batch_id)
        if order is not None:
            house.desk.cancel(order)
        request.app.state.sweeper.wake()
    return batch_view(shelf, house.desk, batch)
