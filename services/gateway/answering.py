"""Answers a request for work on lines: with the results where it is small and quick, else with a job."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import Header, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from services.gateway.accepting import Wish
from services.gateway.auth import Caller
from services.gateway.described import Responses, accepted_response
from services.gateway.house import House
from services.gateway.options import Answering, cut_of, patience
from services.gateway.profiles import Profiles
from services.gateway.schemas import Results
from services.gateway.taking import ended, taken
from services.gateway.views import job_view, projection
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
    service_id = await asyncio.to_thread(Profiles(house.store, caller.tenant).service_id, profile)
    config = {**options.config(), "profile": service_id}
    cut = cut_of(request)
    wish = Wish(caller.tenant, operation, config)
    order = await taken(house, request, wish, cut, headers.idempotency_key)
    seconds = patience(options.wait, headers.prefer, house.settings.wait_seconds)
    if order.lines <= house.settings.in_place and seconds > 0:
        end = await ended(house, order, seconds)
        if end is not None and end.state is JobState.COMPLETED:
            return await asyncio.to_thread(_results, house, order)
    return await asyncio.to_thread(_accepted, house, order)


def _results(house: House, order: JobOrder) -> Response:
    found = Results(
        job=order.key.job,
        data=[json.loads(record) for _, record in house.desk.results(order)],
        errors=[json.loads(error) for _, error in house.desk.errors(order)],
    )
    return JSONResponse(found.model_dump())


def _accepted(house: House, order: JobOrder) -> Response:
    projected = projection(house.store, order, model_oracle=house.has_model_oracle)
    job = job_view(house.desk, order, projected)
    headers = {"Location": f"/v1/jobs/{order.key.job}"}
    return JSONResponse(job.model_dump(mode="json"), 202, headers=headers)
