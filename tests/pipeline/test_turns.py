"""Who gets the next free worker: tenants in turn, whatever waits in the queue already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House

from services.pipeline.dispatch.leases import Leases
from services.pipeline.dispatch.pulse import Listener
from services.pipeline.dispatch.rounds import Dispatcher
from shared.jobs.errands import Errand, ask
from shared.jobs.ids import new_id
from shared.jobs.layout import JobKey
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


def fail_errand(house: House) -> None:
    """A worker takes the next message, and its errand can't be done now."""
    tenant, job, errand = queued_arguments(house.redis, BULK)[-1]
    house.redis.rpop("idiolect:bulk")
    lease = Leases(house.redis).take(JobKey(tenant, job), errand)
    assert lease is not None, "somebody else holds it"
    with lease:
        pass


def test_errands_that_fail_again_and_again_keep_nobody_waiting(queue: House) -> None:
    for tenant, count in (("broken", 3 * ROOM), ("small", 1)):
        for _ in range(count):
            ask(queue.store, JobKey(tenant, new_id("job")), Errand.OUTPUT)
    rounds = dispatcher(queue)
    rounds.round()
    for _ in range(ROOM):
        fail_errand(queue)
    rounds.round()
    assert "small" in tenants(queue)


def test_errands_are_no_more_in_the_queue_than_there_is_room(queue: House) -> None:
    for _ in range(3 * ROOM):
        ask(queue.store, JobKey("acme", new_id("job")), Errand.OUTPUT)
    rounds = dispatcher(queue)
    rounds.round()
    rounds.round()
    assert len(tenants(queue)) == ROOM
