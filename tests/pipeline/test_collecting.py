"""The collector deletes what nobody needs and leaves alone what somebody may; the time is told to it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.pipeline.upkeep.collecting import Collected, Collector
from shared.errors import FieldError
from shared.jobs.desk import JobDesk
from shared.jobs.ids import new_id
from shared.jobs.intake import accept, take_in
from shared.jobs.layout import LIVE_BATCHES, JobKey
from shared.jobs.order import JobEnd, JobOrder, JobState, Operation
from shared.store import open_store
from shared.tenants import Promise

DAY = 86_400.0
NOW = time.time()
NOTHING = Collected(0, 0, 0)


@pytest.fixture(params=["memory", "file"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> JobDesk:
    return JobDesk(open_store("memory:" if request.param == "memory" else f"file:{tmp_path}/store"))


def collector(desk: JobDesk) -> Collector:
    return Collector(desk, {"acme": Promise(retention_days=7)}, DAY)


def taken(desk: JobDesk, tenant: str = "acme", age_days: float = 0.0, **labels: str) -> JobOrder:
    """An order whose lines are stored, and that isn't accepted."""
    key = JobKey(tenant, new_id("job", NOW - age_days * DAY))
    found = take_in(desk.store, key, [b"{}"] * 3)
    return JobOrder(key, Operation.VERIFY, {}, {}, found.lines, found.shards, NOW, labels=labels)


def accepted(desk: JobDesk, tenant: str = "acme", age_days: float = 0.0, **labels: str) -> JobOrder:
    order = taken(desk, tenant, age_days, **labels)
    assert accept(desk.store, order)
    return order


def ended(desk: JobDesk, days_ago: float, tenant: str = "acme", **labels: str) -> JobOrder:
    order = accepted(desk, tenant, days_ago, **labels)
    desk.finish(order, JobEnd(JobState.COMPLETED, NOW - days_ago * DAY, {}))
    return order


def kept(desk: JobDesk, order: JobOrder) -> list[str]:
    return desk.store.list(order.key.folder)


def test_a_job_whose_time_is_over_is_deleted_whole(desk: JobDesk) -> None:
    order = ended(desk, 8)
    assert collector(desk).collect(NOW) == Collected(0, 0, 1)
    assert kept(desk, order) == []


def test_a_job_whose_time_is_not_over_stays(desk: JobDesk) -> None:
    ended(desk, 6)
    assert collector(desk).collect(NOW) == NOTHING


def test_a_live_job_stays_however_old_it_is(desk: JobDesk) -> None:
    order = accepted(desk, age_days=400)
    before = kept(desk, order)
    assert (collector(desk).collect(NOW + 400 * DAY), kept(desk, order)) == (NOTHING, before)


def test_a_job_that_ran_long_is_kept_from_its_end_on(desk: JobDesk) -> None:
    order = accepted(desk, age_days=100)
    desk.finish(order, JobEnd(JobState.COMPLETED, NOW - DAY, {}))
    assert collector(desk).collect(NOW) == NOTHING


def test_a_tenant_without_retention_keeps_its_jobs(desk: JobDesk) -> None:
    ended(desk, 4000, tenant="other")
    assert collector(desk).collect(NOW) == NOTHING


def test_a_job_whose_batch_is_still_open_stays(desk: JobDesk) -> None:
    batch = new_id("batch")
    desk.store.put(f"{LIVE_BATCHES}acme/{batch}", b"")
    ended(desk, 8, batch=batch)
    assert collector(desk).collect(NOW) == NOTHING


def test_a_label_that_is_no_batch_keeps_nothing(desk: JobDesk) -> None:
    ended(desk, 8, batch="../../live")
    assert collector(desk).collect(NOW) == Collected(0, 0, 1)


def test_a_removal_that_was_cut_short_is_completed(desk: JobDesk) -> None:
    order = ended(desk, 8)
    desk.store.put(order.key.deleted, b"")
    desk.store.delete(order.key.order)
    collector(desk).collect(NOW)
    assert (kept(desk, order), desk.store.exists(order.key.newest)) == ([], False)


def test_lines_that_nobody_accepted_are_deleted_after_a_day(desk: JobDesk) -> None:
    order = taken(desk)
    assert collector(desk).collect(NOW + 2 * DAY) == Collected(0, 1, 0)
    assert (kept(desk, order), desk.store.list("incoming/")) == ([], [])


def test_lines_that_are_still_being_taken_in_stay(desk: JobDesk) -> None:
    order = taken(desk)
    assert (collector(desk).collect(NOW + DAY / 2), len(kept(desk, order))) == (NOTHING, 1)


def test_what_was_collected_cant_be_accepted_any_more(desk: JobDesk) -> None:
    order = taken(desk)
    collector(desk).collect(NOW + 2 * DAY)
    assert not accept(desk.store, order)
    with pytest.raises(FieldError, match="has not ended"):
        desk.remove(order)


def test_what_was_accepted_meanwhile_is_not_collected(desk: JobDesk) -> None:
    order = accepted(desk)
    # As if its holder had been killed just before it was taken from the list.
    desk.store.put(order.key.incoming, repr(NOW).encode())
    before = kept(desk, order)
    assert collector(desk).collect(NOW + 2 * DAY) == NOTHING
    assert (kept(desk, order), desk.store.exists(order.key.deleted)) == (before, False)


def test_an_accepted_job_leaves_no_trace_of_having_come_in(desk: JobDesk) -> None:
    accepted(desk)
    assert desk.store.list("incoming/") == []


def test_lines_that_an_open_batch_may_need_stay(desk: JobDesk) -> None:
    taken(desk)
    desk.store.put(f"{LIVE_BATCHES}acme/{new_id('batch')}", b"")
    assert collector(desk).collect(NOW + 2 * DAY) == NOTHING


def test_an_unfinished_write_of_a_dead_process_is_deleted(tmp_path: Path) -> None:
    left = tmp_path / "store" / ".writing-0"
    left.parent.mkdir()
    left.write_bytes(b"half")
    os.utime(left, (NOW - 2 * DAY, NOW - 2 * DAY))
    assert collector(JobDesk(open_store(f"file:{tmp_path}/store"))).collect(NOW) == Collected(1, 0, 0)


def test_what_comes_in_slowly_tells_that_it_grows(tmp_path: Path) -> None:
    desk = JobDesk(open_store("memory:"))
    key = JobKey("acme", new_id("job"))
    seen: list[bool] = []

    def lines() -> Iterator[bytes]:
        seen.append(desk.store.exists(key.incoming))
        yield b"{}"

    take_in(desk.store, key, lines())
    assert seen == [True]
