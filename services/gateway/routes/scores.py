"""What texts cost a student."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from services.gateway.answering import Headers, answer
from services.gateway.auth import Caller
from services.gateway.described import errors_of, in_place_or_job, json_or_lines
from services.gateway.house import Asked, Here, House
from services.gateway.options import ScoreOptions, is_json
from services.gateway.profiles import Profiles
from services.gateway.reading import read_json
from services.gateway.schemas import Score, Scores, ScoresCreate
from shared.clients.student import StudentClient
from shared.domain import TokenScores
from shared.jobs.order import Operation
from shared.ports import ScoreRequest
from shared.style import finite, loss, quarter_losses, rank_surprisal_ratio

router = APIRouter(prefix="/v1/scores", tags=["scores"])

_LINE = {"problem": "What is 6 * 7?", "text": "6 * 7 = 42"}


@router.post(
    "",
    response_model=None,
    responses={**in_place_or_job(Scores), **errors_of(404, 408, 409, 422, 501)},
    openapi_extra=json_or_lines(ScoresCreate, _LINE),
)
async def create_scores(
    request: Request,
    house: Here,
    caller: Asked,
    options: Annotated[ScoreOptions, Query()],
    headers: Annotated[Headers, Headers.parameter()],
) -> Response:
    """Score texts under a student: a JSON body in place, JSON Lines of trajectories or records as a job."""
    if not is_json(request):
        return await answer(house, caller, request, Operation.SCORE, options, headers)
    asked = await read_json(request, ScoresCreate)
    found = await asyncio.to_thread(_scored, house, caller, asked)
    return JSONResponse(found.model_dump())


def _scored(house: House, caller: Caller, asked: ScoresCreate) -> Scores:
    client = house.asked_student()
    service_id = Profiles(house.store, caller.tenant).service_id(asked.student)
    requests = [ScoreRequest(item.problem, item.text) for item in asked.items]
    scores = client.score(requests, service_id)
    name, label = _scorer(client, service_id)
    data = [_figures(index, one, asked.tokens) for index, one in enumerate(scores)]
    return Scores(scorer=name, label=label, student=asked.student, data=data)


def _scorer(client: StudentClient, service_id: str | None) -> tuple[str, str]:
    """Name and label of who scores; without a profile nobody says whose texts they are."""
    if service_id is not None:
        scorer = client.profile(service_id).scorer
        return scorer.name, scorer.label
    info = client.info
    return info.name, "scripted" if info.engine == "scripted" else "surrogate"


def _figures(index: int, scores: TokenScores, tokens: bool) -> Score:
    total = loss(scores.surprisals)
    rows = zip(scores.spans, scores.surprisals, scores.ranks, strict=True)
    return Score(
        index=index,
        nll=total.nll,
        tokens=total.tokens,
        ppl=finite(total.perplexity),
        quarters=[finite(part.perplexity) for part in quarter_losses(scores.surprisals)],
        rsr=finite(rank_surprisal_ratio(scores)),
        token_scores=[(span.start, span.end, s, rank) for span, s, rank in rows] if tokens else None,
    )
