"""Trainings: begun on an uploaded file or what came of a job, followed step by step, ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from services.gateway.auth import Caller
from services.gateway.described import errors_of, streamed_response
from services.gateway.house import Asked, Here, House
from services.gateway.options import check_cursor
from services.gateway.training import TRAINING, Beginning
from services.gateway.training_schemas import TrainingCreate, TrainingList, TrainingObject
from services.gateway.views import step_view, training_view
from shared.clients.trainer import TrainerClient, token_behind
from shared.domain.training import TrainingProgress, TrainingStanding
from shared.errors import IdiolectError, NotFoundError
from shared.jobs.ids import is_id

router = APIRouter(prefix="/v1/trainings", tags=["trainings"])

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_ALIVE_LOOKS = 15
_HELD = 64
_LAST_STEP = (1 << 53) - 1
Told = tuple[TrainingStanding, TrainingProgress | None]


@router.post("", status_code=202, responses=errors_of(404, 409))
async def create_training(
    asked: TrainingCreate,
    house: Here,
    caller: Asked,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> TrainingObject:
    """Train an allowed base model on an uploaded file or on what came of a job; it may be deleted afterwards.

    409 for a job that goes on (`not_ended`), is of another kind than refinements and rollouts
    (`wrong_kind`), or holds no record to train on (`no_rows`).

    Trainings of all tenants run one after the other. A row that can't be used fails the training, and `error`
    names its line. The same Idempotency-Key gives the same training; with another body 409.
    """
    beginning = Beginning(house.desk, caller.tenant, house.asked_trainer(caller.tenant))
    return training_view(await asyncio.to_thread(beginning.begin, asked, idempotency_key))


@router.get("", responses=errors_of())
def list_trainings(
    house: Here,
    caller: Asked,
    after: Annotated[str | None, Query(max_length=80)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> TrainingList:
    """Trainings, newest first."""
    check_cursor(TRAINING, after)
    found = list(_page(house.asked_trainer(caller.tenant), after, limit + 1))
    data = [training_view(standing) for standing in found[:limit]]
    return TrainingList(
        data=data,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
        has_more=len(found) > limit,
    )


def _page(trainer: TrainerClient, after: str | None, limit: int) -> Iterator[TrainingStanding]:
    """At most `limit` of them; the trainer's pages may have gaps."""
    token = token_behind(after) if after else ""
    while limit:
        found, token = trainer.list(limit, token)
        yield from found
        limit = limit - len(found) if token else 0


@router.get("/{training_id}", responses=errors_of(404))
def get_training(training_id: str, house: Here, caller: Asked) -> TrainingObject:
    """One training; `error` says why it failed."""
    return training_view(_asked(house, caller, training_id).get(training_id))


@router.post("/{training_id}/cancel", responses=errors_of(404))
def cancel_training(training_id: str, house: Here, caller: Asked) -> TrainingObject:
    """Have a training end early; it does so after its step. One that has ended stays as it is."""
    return training_view(_asked(house, caller, training_id).cancel(training_id))


def _asked(house: House, caller: Caller, training_id: str) -> TrainerClient:
    """Whom to ask about a training. NotFoundError where nothing can have that id."""
    trainer = house.asked_trainer(caller.tenant)
    if not is_id(TRAINING, training_id):
        raise NotFoundError(f"training {training_id[:80]!r}: there is no such training")
    return trainer


_STEP = (
    'id: 1\nevent: step\ndata: {"object":"training.step","step":1,"steps":120,"loss":1.25,'
    '"learning_rate":5e-05,"tokens":4096,"tokens_per_second":812.5,"memory_bytes":null}\n\n'
)


@router.get(
    "/{training_id}/events",
    response_class=StreamingResponse,
    responses={
        200: streamed_response("text/event-stream", "Server-sent events: every step as it is done.", _STEP),
        **errors_of(404),
    },
)
async def get_training_events(
    training_id: str,
    request: Request,
    house: Here,
    caller: Asked,
    after: Annotated[int, Query(ge=0, le=_LAST_STEP, description="Only steps behind this one.")] = 0,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=_LAST_STEP, description="As `after`, where one connects anew.")
    ] = None,
) -> StreamingResponse:
    """The training at once as event `training`, every step as `step`, and the ended training as `end`.

    A stream without `end` broke off: connect anew, behind the last step.
    """
    trainer = _asked(house, caller, training_id)
    standing = await asyncio.to_thread(trainer.get, training_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    told = _events(trainer, standing, max(after, last_event_id or 0), request)
    return StreamingResponse(told, media_type="text/event-stream", headers=headers)


async def _events(
    trainer: TrainerClient, standing: TrainingStanding, after: int, request: Request
) -> AsyncIterator[bytes]:
    yield _event("training", training_view(standing))
    told: asyncio.Queue[Told | None] = asyncio.Queue(_HELD)
    reading = asyncio.create_task(_read(trainer, standing.id, after, told))
    silent = 0
    try:
        while not request.app.state.stopping.is_set():
            try:
                item = await asyncio.wait_for(told.get(), _LOOK_SECONDS)
            except TimeoutError:
                silent += 1
                if silent % _ALIVE_LOOKS == 0:
                    yield b": waiting\n\n"
                continue
            if item is None:
                return
            silent = 0
            yield _told(*item)
    finally:
        reading.cancel()


async def _read(trainer: TrainerClient, training: str, after: int, told: asyncio.Queue[Told | None]) -> None:
    """Put all that the trainer tells, and None at last."""
    try:
        async for item in trainer.follow(training, after):
            await told.put(item)
    except IdiolectError as error:
        _LOG.warning("training %s can't be followed any longer: %s", training, error)
    await told.put(None)


def _told(standing: TrainingStanding, step: TrainingProgress | None) -> bytes:
    if step is None:
        return _event("end", training_view(standing))
    return b"id: %d\n" % step.step + _event("step", step_view(step))


def _event(kind: str, shown: BaseModel) -> bytes:
    return f"event: {kind}\ndata: {shown.model_dump_json()}\n\n".encode()
