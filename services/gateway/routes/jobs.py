"""Jobs: what they are, how far they are, and what came of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from services.gateway.accepting import JOB, Wish, order_of
from services.gateway.auth import Caller
from services.gateway.bodies import lines
from services.gateway.described import errors_of, streamed_response
from services.gateway.exports import PARQUET, parquet_answer, results_response
from services.gateway.house import Asked, Here, House
from services.gateway.options import JSONL, check_cursor
from services.gateway.placing import checked_output, source_of
from services.gateway.profiles import Profiles
from services.gateway.schemas import Deleted, ExportObject, JobCreate, JobList, JobObject
from services.gateway.streaming import streamed
from services.gateway.taking import taken
from services.gateway.views import job_view, projection
from shared.errors import FieldError, NotFoundError
from shared.jobs.config import JobConfig
from shared.jobs.ids import turned, turned_back
from shared.jobs.layout import JobKey
from shared.jobs.order import JobOrder
from shared.jobs.webhooks import check_target
from shared.jsonl import check_characters

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_LOOK_SECONDS = 1.0
_ALIVE_SECONDS = 15.0


def job_of(house: House, caller: Caller, job_id: str) -> JobOrder:
    """The job of that id. NotFoundError where this tenant has none."""
    return order_of(house.desk, caller.tenant, job_id)


@router.post("", status_code=202, responses=errors_of(403, 404, 409, 422))
async def create_job(
    asked: JobCreate,
    house: Here,
    caller: Asked,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> JobObject:
    """Make a job of an uploaded file of JSON Lines, or of an object in S3. Bad lines are recorded, and the
    job goes on.

    An object in S3 is copied before this answers, so that it may change or go afterwards.
    The same Idempotency-Key gives the same job; with another file 422, with other settings 409.
    """
    wish = await asyncio.to_thread(_wish, house, caller, asked)
    name, source = source_of(house, caller, asked)
    try:
        order = await taken(house, source, wish, lines, idempotency_key)
    except FieldError as error:
        field = name if error.field == "body" else error.field
        raise FieldError(field, error.problem, error.cure) from None
    return await asyncio.to_thread(accepted_view, house, order)


def _wish(house: House, caller: Caller, asked: JobCreate) -> Wish:
    check_characters({"config": asked.config, "labels": asked.labels})
    config = JobConfig.of(asked.config).to_json()
    config["profile"] = Profiles(house.store, caller.tenant).service_id(config["profile"])
    if asked.webhook is not None:
        _check_webhook(house, caller, asked.webhook)
    return Wish(
        caller.tenant,
        asked.operation,
        config,
        asked.labels,
        asked.input_file_id or asked.input,
        asked.budget,
        asked.webhook,
        None if asked.output is None else str(checked_output(caller, asked.output)),
    )


def _check_webhook(house: House, caller: Caller, target: str) -> None:
    check_target(target, allow_private=house.settings.webhook_private)
    if caller.promise.webhook_secret is None:
        problem = "can't be signed: this key has no webhook_secret"
        raise FieldError("webhook", problem, "have one put into the key file")


def accepted_view(house: House, order: JobOrder) -> JobObject:
    """A job that was just accepted, with its projected cost."""
    return job_view(house.desk, order, projection(house.store, order, model_oracle=house.has_model_oracle))


@router.get("", responses=errors_of())
def list_jobs(
    house: Here,
    caller: Asked,
    after: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> JobList:
    """Jobs, newest first."""
    check_cursor(JOB, after)
    found = list(_page(house, caller.tenant, after, limit + 1))
    data = [job_view(house.desk, order) for order in found[:limit]]
    return JobList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=len(found) > limit,
    )


def _page(house: House, tenant: str, after: str | None, limit: int) -> Iterator[JobOrder]:
    folder = f"t/{tenant}/newest/jobs/"
    last = folder + turned(after) if after else ""
    while limit and (keys := house.store.list(folder, last, limit)):
        last = keys[-1]
        for key in keys:
            try:
                yield house.desk.order(JobKey(tenant, turned_back(JOB, key.removeprefix(folder))))
            except NotFoundError:
                continue
            limit -= 1


@router.get("/{job_id}", responses=errors_of(404))
def get_job(job_id: str, house: Here, caller: Asked) -> JobObject:
    """One job; `reason` says why it failed, or for now why it doesn't move."""
    return _moving_view(house, job_of(house, caller, job_id))


def _moving_view(house: House, order: JobOrder) -> JobObject:
    return job_view(house.desk, order, standing=house.standing(order))


@router.post("/{job_id}/cancel", responses=errors_of(404))
def cancel_job(job_id: str, house: Here, caller: Asked) -> JobObject:
    """End a job early; finished lines stay. One that has ended stays as it is."""
    order = job_of(house, caller, job_id)
    house.desk.cancel(order)
    return job_view(house.desk, order)


@router.delete("/{job_id}", responses=errors_of(404))
def delete_job(job_id: str, house: Here, caller: Asked) -> Deleted:
    """Delete a job that has ended, with its lines and results."""
    house.desk.remove(job_of(house, caller, job_id))
    return Deleted(id=job_id, object="job")


_AFTER = Query(ge=0, lt=1 << 53, description="Only lines behind this one of the input.")


@router.get(
    "/{job_id}/results",
    response_class=StreamingResponse,
    responses={
        200: results_response(),
        202: {
            "model": ExportObject,
            "description": "Parquet is being written; Retry-After says when to ask again.",
        },
        **errors_of(404, 409),
    },
)
def get_results(
    job_id: str,
    house: Here,
    caller: Asked,
    after: Annotated[int, _AFTER] = 0,
    format: Literal["jsonl", "parquet"] = "jsonl",
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Records of the finished prefix, one a line; go on behind the `line` of the last one.

    The header Idiolect-Job-Status tells how the job stood before the first line was read: once it has ended,
    what is sent is all there is.

    With `Accept: application/vnd.apache.parquet` or `format=parquet`: all records once the job has ended, as
    Parquet, which the first who asks for it has written; until then 202.
    """
    order = job_of(house, caller, job_id)
    if format == "parquet" or (accept or "").startswith(PARQUET):
        if after:
            raise FieldError("after", "has no meaning for Parquet", "leave it out, or take JSON Lines")
        return parquet_answer(house, order)
    status = house.desk.state(order).value
    rows = (record for _, record in house.desk.results(order, after))
    return streamed(rows, JSONL[0], {"Idiolect-Job-Status": status})


@router.get(
    "/{job_id}/errors",
    response_class=StreamingResponse,
    responses={
        200: streamed_response(
            JSONL[0], "Lines without a record, and why.", '{"line": 2, "reason": "..."}\n'
        ),
        **errors_of(404),
    },
)
def get_errors(
    job_id: str, house: Here, caller: Asked, after: Annotated[int, _AFTER] = 0
) -> StreamingResponse:
    """Lines of the finished prefix that have no record, and why, in the order of the input."""
    order = job_of(house, caller, job_id)
    status = house.desk.state(order).value
    rows = (error for _, error in house.desk.errors(order, after))
    return streamed(rows, JSONL[0], {"Idiolect-Job-Status": status})


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: streamed_response(
            "text/event-stream",
            "Server-sent events: the job whenever it changed.",
            "event: job\ndata: {}\n\n",
        ),
        **errors_of(404),
    },
)
async def get_events(job_id: str, request: Request, house: Here, caller: Asked) -> StreamingResponse:
    """The job at once and whenever it changed, as events `job`; the last one is `end`."""
    order = await asyncio.to_thread(job_of, house, caller, job_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(house, order, request), media_type="text/event-stream", headers=headers)


async def _events(house: House, order: JobOrder, request: Request) -> AsyncIterator[bytes]:
    told, spoke, number = "", time.monotonic(), 0
    while not request.app.state.stopping.is_set():
        job = await asyncio.to_thread(_moving_view, house, order)
        now = json.dumps(job.model_dump(mode="json"), ensure_ascii=False)
        if now != told:
            told, spoke, number = now, time.monotonic(), number + 1
            kind = "job" if job.ended_at is None else "end"
            yield f"id: {number}\nevent: {kind}\ndata: {now}\n\n".encode()
            if job.ended_at is not None:
                return
        elif time.monotonic() - spoke > _ALIVE_SECONDS:
            spoke = time.monotonic()
            yield b": waiting\n\n"
        await asyncio.sleep(_LOOK_SECONDS)
