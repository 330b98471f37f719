"""Refinements: a few answered in place, many as a job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.gateway.answering import Headers, answer, both_answers
from services.gateway.described import errors_of, streamed_body
from services.gateway.house import Asked, Here
from services.gateway.options import RefinementOptions
from shared.jobs.order import Operation

router = APIRouter(prefix="/v1/refinements", tags=["refinements"])

_EXAMPLE = {
    "problem": "Tom has 3 boxes of 12 pencils and gives 5 away. How many are left?",
    "text": "3 * 12 = 35.\n35 - 5 = 30.\nThe answer is 30.",
    "gold": "31",
}


@router.post(
    "",
    response_model=None,
    responses={**both_answers(), **errors_of(404, 408, 409, 422)},
    openapi_extra=streamed_body("RefinementRequest", _EXAMPLE, "One RefinementRequest a line."),
)
async def create_refinements(
    request: Request,
    house: Here,
    caller: Asked,
    options: Annotated[RefinementOptions, Query()],
    headers: Annotated[Headers, Headers.parameter()],
) -> Response:
    """Refine trajectories. A few are answered in place, unless `wait=0` or `Prefer: respond-async`
    came along; others, and those that take longer, become a job (202).

    The same Idempotency-Key with the same body and settings gives the same job; with another body 422, with
    other settings 409. In JSON Lines a bad line is recorded and the others go on; JSON must be valid whole.
    """
    return await answer(house, caller, request, Operation.REFINE, options, headers)
