"""Is the final answer of a solution the right one?"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from services.gateway.answering import Headers, answer
from services.gateway.described import errors_of, in_place_or_job, json_or_lines
from services.gateway.house import Asked, Here, House
from services.gateway.options import VerificationOptions, is_json
from services.gateway.reading import read_json
from services.gateway.schemas import Verification, Verifications, VerificationsCreate
from shared.jobs.order import Operation

router = APIRouter(prefix="/v1/verifications", tags=["verifications"])

_LINE = {"problem": "What is 6 * 7?", "text": "So the answer is 42.", "gold": "42"}


@router.post(
    "",
    response_model=None,
    responses={**in_place_or_job(Verifications), **errors_of(404, 408, 409, 422, 501)},
    openapi_extra=json_or_lines(VerificationsCreate, _LINE),
)
async def create_verifications(
    request: Request,
    house: Here,
    caller: Asked,
    options: Annotated[VerificationOptions, Query()],
    headers: Annotated[Headers, Headers.parameter()],
) -> Response:
    """Compare final answers with gold: a JSON body in place, JSON Lines of trajectories as a job."""
    if not is_json(request):
        return await answer(house, caller, request, Operation.VERIFY, options, headers)
    asked = await read_json(request, VerificationsCreate)
    return JSONResponse((await asyncio.to_thread(_verified, house, asked)).model_dump())


def _verified(house: House, asked: VerificationsCreate) -> Verifications:
    oracle = house.asked_oracle()
    data = []
    for index, item in enumerate(asked.items):
        verdict = oracle.verify(item.text, item.gold)
        data.append(
            Verification(
                index=index, verdict=verdict.value.value, reason=verdict.reason, answer=verdict.answer
            )
        )
    return Verifications(data=data)
