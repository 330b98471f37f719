"""Studies: begun from a config, followed stage by stage, ended, and what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from services.gateway.auth import STUDIES, Caller
from services.gateway.described import errors_of, streamed_response
from services.gateway.errors import HttpError
from services.gateway.house import Asked, Here, House
from services.gateway.options import check_cursor
from services.gateway.schemas import Deleted
from services.gateway.streaming import streamed
from services.gateway.study_schemas import StudyCreate, StudyList, StudyObject, StudyStageObject
from services.gateway.studying import StudyIntake
from shared.errors import NotFoundError
from shared.study.records import KIND, RESULTS, StudyOrdered, StudyRecords, StudyStanding

router = APIRouter(prefix="/v1/studies", tags=["studies"])

_LOOK_SECONDS = 1.0
_ALIVE_LOOKS = 15
_NOT_PERMITTED = (
    'this key may not run studies; have the operator write "may": ["studies"] into its line of the key file'
)
ResultName = Literal["report.json", "table.md", "summary.json", "report.html"]


@router.post("", status_code=202, responses=errors_of(403, 404, 409))
async def create_study(
    asked: StudyCreate,
    house: Here,
    caller: Asked,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> StudyObject:
    """Compare training sets: sample a student, make the arms, score, train, evaluate, report.

    Takes minutes to days, so a key needs the permission `studies` (403). Studies of all tenants run one after
    the other on a host of their own; without one a study waits, and `waits` says so. The same Idempotency-Key
    gives the same study; with another config 409.
    """
    if STUDIES not in caller.may:
        raise HttpError(403, _NOT_PERMITTED, "not_permitted")
    intake = StudyIntake(house.store, caller.tenant)
    return _view(await asyncio.to_thread(intake.begin, asked.config, idempotency_key))


@router.get("", responses=errors_of())
def list_studies(
    house: Here,
    caller: Asked,
    after: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> StudyList:
    """Studies, newest first."""
    check_cursor(KIND, after)
    records = StudyRecords(house.store)
    found = list(records.page(caller.tenant, after, limit + 1))
    data = [_view(records.standing(ordered)) for ordered in found[:limit]]
    return StudyList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=len(found) > limit,
    )


@router.get("/{study_id}", responses=errors_of(404))
def get_study(study_id: str, house: Here, caller: Asked) -> StudyObject:
    """One study: its stages, why it waits, why it failed."""
    return _view(StudyRecords(house.store).standing(_ordered(house, caller, study_id)))


@router.post("/{study_id}/cancel", responses=errors_of(404))
def cancel_study(study_id: str, house: Here, caller: Asked) -> StudyObject:
    """Have a study end early, within seconds where a host is there. One that has ended stays as it is."""
    records, ordered = StudyRecords(house.store), _ordered(house, caller, study_id)
    if records.end(ordered) is None:
        records.cancel(ordered)
    return _view(records.standing(ordered))


@router.delete("/{study_id}", responses=errors_of(404))
def delete_study(study_id: str, house: Here, caller: Asked) -> Deleted:
    """Delete a study that has ended, with its files and results; one that goes on is cancelled first."""
    StudyRecords(house.store).remove(_ordered(house, caller, study_id))
    return Deleted(id=study_id, object="study")


@router.get(
    "/{study_id}/results/{name}",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The report as JSON or as a page, the table, or the summary.",
            "content": {
                "application/json": {"schema": {}, "example": {"arms": {}}},
                "text/markdown": {"schema": {"type": "string"}, "example": "| arm | PPL |"},
                "text/html": {"schema": {"type": "string"}, "example": "<h1>Study first-look</h1>"},
            },
        },
        **errors_of(404, 409),
    },
)
def get_study_result(study_id: str, name: ResultName, house: Here, caller: Asked) -> StreamingResponse:
    """A file of a study that is completed; 409 of one that goes on, 404 of one that ended otherwise."""
    records, ordered = StudyRecords(house.store), _ordered(house, caller, study_id)
    if records.end(ordered) is None:
        raise HttpError(409, f"study {study_id}: goes on; ask again once it has ended", "not_ended")
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    try:
        return streamed(records.result(ordered, name), RESULTS[name], headers)
    except NotFoundError:
        raise NotFoundError(f"study {study_id}: left no {name}; its status and error say why") from None


_STUDY = (
    'event: study\ndata: {"id":"study-01kat3v2v8q4h2m6d9x5c7f1rb","object":"study","name":"first-look",'
    '"status":"queued","stages":[],"waits":null,"created_at":1764000000.5,"ended_at":null,"error":null,'
    '"results":[]}\n\n'
)


@router.get(
    "/{study_id}/events",
    response_class=StreamingResponse,
    responses={
        200: streamed_response("text/event-stream", "Server-sent events: the study as it changes.", _STUDY),
        **errors_of(404),
    },
)
async def get_study_events(study_id: str, request: Request, house: Here, caller: Asked) -> StreamingResponse:
    """The study at once and whenever it changed as event `study`, and the ended study as `end`.

    A stream without `end` broke off: connect anew.
    """
    ordered = await asyncio.to_thread(_ordered, house, caller, study_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    told = _events(StudyRecords(house.store), ordered, request)
    return StreamingResponse(told, media_type="text/event-stream", headers=headers)


async def _events(records: StudyRecords, ordered: StudyOrdered, request: Request) -> AsyncIterator[bytes]:
    before, silent = None, 0
    while not request.app.state.stopping.is_set():
        shown = _view(await asyncio.to_thread(records.standing, ordered))
        if shown.ended_at is not None:
            yield _event("end", shown)
            return
        silent = 0 if shown != before else silent + 1
        if shown != before:
            yield _event("study", shown)
        elif silent % _ALIVE_LOOKS == 0:
            yield b": waiting\n\n"
        before = shown
        await asyncio.sleep(_LOOK_SECONDS)


def _event(kind: str, shown: StudyObject) -> bytes:
    return f"event: {kind}\ndata: {shown.model_dump_json()}\n\n".encode()


def _ordered(house: House, caller: Caller, study_id: str) -> StudyOrdered:
    return StudyRecords(house.store).get(caller.tenant, study_id)


def _view(standing: StudyStanding) -> StudyObject:
    order, end = standing.order, standing.end
    stages = [
        StudyStageObject(name=one.name, done=one.done, known=one.known, ended=one.ended)
        for one in standing.stages
    ]
    return StudyObject(
        id=order.id,
        name=str(order.config["name"]),
        status=standing.state,
        stages=stages,
        waits=standing.waits,
        created_at=order.created,
        ended_at=None if end is None else end.at,
        error=None if end is None else end.error,
        results=list(standing.results),
    )
