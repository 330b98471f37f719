"""Solutions sampled from the student."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from services.gateway.answering import Headers, answer
from services.gateway.described import errors_of, in_place_or_job, json_or_lines
from services.gateway.house import Asked, Here, House
from services.gateway.options import RolloutOptions, is_json
from services.gateway.reading import read_json
from services.gateway.schemas import Rollout, Rollouts, RolloutsCreate
from shared.jobs.order import Operation
from shared.ports import GenerationRequest

router = APIRouter(prefix="/v1/rollouts", tags=["rollouts"])

_LINE = {"problem": "What is 6 * 7?", "gold": "42"}


@router.post(
    "",
    response_model=None,
    responses={**in_place_or_job(Rollouts), **errors_of(404, 408, 409, 422, 501)},
    openapi_extra=json_or_lines(RolloutsCreate, _LINE),
)
async def create_rollouts(
    request: Request,
    house: Here,
    caller: Asked,
    options: Annotated[RolloutOptions, Query()],
    headers: Annotated[Headers, Headers.parameter()],
) -> Response:
    """Sample solutions: of one problem, as JSON, in place; of many, as JSON Lines, as a job."""
    if not is_json(request):
        return await answer(house, caller, request, Operation.ROLL_OUT, options, headers)
    asked = await read_json(request, RolloutsCreate)
    return JSONResponse((await asyncio.to_thread(_drawn, house, asked)).model_dump())


def _drawn(house: House, asked: RolloutsCreate) -> Rollouts:
    student = house.asked_student()
    made = student.generate(
        GenerationRequest(
            problem=asked.problem,
            prefix=asked.prefix,
            n=asked.n,
            temperature=asked.temperature,
            max_tokens=asked.max_tokens,
            seed=asked.seed,
        )
    )
    data = [
        Rollout(index=index, text=one.text, tokens=one.tokens, finished=one.finished)
        for index, one in enumerate(made)
    ]
    return Rollouts(model=student.info.name, data=data)
