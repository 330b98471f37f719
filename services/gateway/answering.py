"""Answers a request for work on lines: with the results where it is small and quick, else with a job."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import Header, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from services.gateway.accepting import Wish
from services.gateway.auth import Caller
from services.gateway.described import Responses, accepted_response
from services.gateway.house import Answered, House, Interactive
from services.gateway.options import Answering, cut_of, patience
from services.gateway.profiles import Profiles
from services.gateway.schemas import Results
from services.gateway.taking import FromBody, ended, fresh, taken
from services.gateway.views import job_view, projection
from shared.errors import FieldError
from shared.jobs.order import JobOrder, JobState, Operation


class Headers(BaseModel):
    """Headers that say how to answer."""

    idempotency_key: Annotated[
        str | None,
        Field(min_length=1, max_length=255, description="Asked again, the same job is the answer."),
    ] = None
    prefer: Annotated[
        str | None, Field(max_length=200, description="`respond-async`, or `wait=SECONDS` (RFC 7240).")
    ] = None

    @staticmethod
    def parameter() -> Any:
        """How FastAPI is to read them."""
        return Header()


def both_answers() -> Responses:
    """In place, or as a job."""
    return {
        200: {"model": Results, "description": "Answered in place."},
        202: accepted_response(),
    }


async def answer(
    house: House,
    caller: Caller,
    request: Request,
    operation: Operation,
    options: Answering,
    headers: Headers,
) -> Response:
    """Take the lines of a request in and answer it."""
    profile = getattr(options, "profile", None)
    if profile is not None:
        # Only a look into the store is worth a thread.
        profile = await asyncio.to_thread(Profiles(house.store, caller.tenant).service_id, profile)
    config = {**options.config(), "profile": profile}
    cut = cut_of(request)
    wish = Wish(caller.tenant, operation, config)
    seconds = patience(options.wait, headers.prefer, house.settings.wait_seconds)
    if house.interactive is not None and headers.idempotency_key is None and seconds > 0:
        return await _asked(house, house.interactive, request, wish, seconds)
    order = await taken(house, FromBody(house, request), wish, cut, headers.idempotency_key)
    if order.lines <= house.settings.in_place and seconds > 0:
        end = await ended(house, order, seconds)
        if end is not None and end.state is JobState.COMPLETED:
            return await asyncio.to_thread(_results, house, order)
    return await asyncio.to_thread(_accepted, house, order)


async def _asked(
    house: House, workers: Interactive, request: Request, wish: Wish, seconds: float
) -> Response:
    """Ask the reserved workers where there are a few lines only; what takes too long becomes a job."""
    cut, most = cut_of(request), house.settings.in_place

    def work(chunks: Iterator[bytes]) -> list[bytes] | JobOrder:
        lines = iter(cut(chunks))
        few = list(islice(lines, most + 1))
        return few if len(few) <= most else fresh(house, wish, chain(few, lines))

    found = await house.intake.run(request, work)
    if isinstance(found, JobOrder):
        return await asyncio.to_thread(_accepted, house, found)
    if not found:
        raise FieldError("body", "holds no item", "send at least one")
    said = await workers.answer(wish.operation, dict(wish.config), found, seconds)
    if said is not None:
        return _shown(None, said)
    return await asyncio.to_thread(lambda: _accepted(house, fresh(house, wish, found)))


def _results(house: House, order: JobOrder) -> Response:
    desk = house.desk
    faults = list(desk.errors(order))
    bad = {line for line, _ in faults}
    records = [(line, record) for line, record in desk.results(order) if line not in bad]
    return _shown(order.key.job, Answered(records, faults))


def _shown(job: str | None, said: Answered) -> Response:
    found = Results(
        job=job,
        data=[json.loads(record) for _, record in said.records],
        errors=[json.loads(error) for _, error in said.errors],
    )
    return JSONResponse(found.model_dump())


def _accepted(house: House, order: JobOrder) -> Response:
    projected = projection(house.store, order, model_oracle=house.has_model_oracle)
    job = job_view(house.desk, order, projected)
    headers = {"Location": f"/v1/jobs/{order.key.job}"}
    return JSONResponse(job.model_dump(mode="json"), 202, headers=headers)
