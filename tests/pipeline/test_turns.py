"""Who gets the next free worker: tenants in turn, whatever waits in the queue already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House

from services.pipeline.dispatch.pulse import Listener
from services.pipeline.dispatch.rounds import Dispatcher
from shared.jobs.nudge import BULK, queued_arguments
from shared.jobs.order import JobOrder, Operation, Prepared

ROOM = 4


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[House]:
    """A Redis server and a store; nobody works."""
    opened = House(tmp_path)
    yield opened
    opened.close()


def dispatcher(house: House) -> Dispatcher:
    return Dispatcher(house.desk, house.redis, ROOM, Listener(house.redis, 60))


def job(house: House, tenant: str, shards: int) -> JobOrder:
    order = house.submit([b"{}"] * shards, Operation.VERIFY, tenant, lines_a_shard=1)
    house.desk.prepare(order, Prepared(None))
    return order


def tenants(house: House) -> list[str]:
    """Whose messages wait, the next one first."""
    return [arguments[0] for arguments in reversed(queued_arguments(house.redis, BULK))]


def test_who_has_nothing_in_the_queue_goes_before_what_waits_there(queue: House) -> None:
    rounds = dispatcher(queue)
    job(queue, "huge", 10)
    rounds.round()
    job(queue, "small", 3)
    rounds.round()
    assert tenants(queue) == ["small", *["huge"] * ROOM]


def test_who_was_just_served_waits_behind_the_others(queue: House) -> None:
    rounds = dispatcher(queue)
    job(queue, "huge", 10)
    rounds.round()
    job(queue, "small", 3)
    rounds.round()
    queue.redis.rpop("idiolect:bulk")
    rounds.round()
    assert tenants(queue) == ["huge"] * ROOM
