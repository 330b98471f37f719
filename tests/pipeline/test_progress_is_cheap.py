"""How far a job is can be told at any time, without reading each of its shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from house import House

from services.pipeline.dispatch.pulse import Listener
from services.pipeline.dispatch.rounds import Dispatcher
from shared.jobs.desk import JobDesk
from shared.jobs.ids import new_id
from shared.jobs.intake import accept
from shared.jobs.layout import JobKey, ShardId
from shared.jobs.order import Fate, JobOrder, Operation, Prepared, Progress, ShardOutcome, summed
from shared.jobs.tally import Tally
from shared.store.memory import MemoryStore

SHARDS = 1000
AT_ONCE = 8
MOST_CALLS = 40
"""For the tally, a page or two of names, and the outcomes that the tally does not reach yet."""


class Counted(MemoryStore):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def get(self, key: str) -> bytes:
        self.calls["get"] += 1
        return super().get(key)

    def exists(self, key: str) -> bool:
        self.calls["exists"] += 1
        return super().exists(key)

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        self.calls["list"] += 1
        return super().list(prefix, after, limit)


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Redis server; nobody works."""
    opened = House(tmp_path_factory.mktemp("queue"))
    yield opened
    opened.close()


@pytest.fixture
def store() -> Counted:
    return Counted()


def job(store: Counted, shards: int = SHARDS) -> JobOrder:
    order = JobOrder(JobKey("acme", new_id("job")), Operation.VERIFY, {}, {}, 4 * shards, shards, 0.0, 4)
    assert accept(store, order)
    JobDesk(store).prepare(order, Prepared(None))
    return order


def commit(desk: JobDesk, order: JobOrder, shard: ShardId, **counts: int) -> None:
    """All that an attempt leaves behind."""
    for part in ("attempts/0001", "log/0001", "results.0001", "errors.0001"):
        desk.store.put(order.key.shard(shard, part), b"")
    desk.decide(order, shard, ShardOutcome(Fate.COMMIT, "0001", counts or {"correct": 4}))


def worked(queue: House, store: Counted, order: JobOrder, until: int) -> None:
    """So many shards are decided, not quite in their order, and a reconciler goes round meanwhile."""
    desk = JobDesk(store)
    rounds = Dispatcher(desk, queue.redis, AT_ONCE, Listener(queue.redis, 1e9))
    for first in range(0, until, AT_ONCE):
        for root in range(first, min(first + AT_ONCE, until)):
            commit(desk, order, ShardId(root ^ 1))
        rounds.round([order.key])


def calls_of_progress(store: Counted, order: JobOrder) -> tuple[int, Progress]:
    """What a gateway that has just been started asks the store for."""
    store.calls.clear()
    found = JobDesk(store).progress(order)
    return store.calls.total(), found


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.998])
def test_progress_of_a_thousand_shards_takes_few_calls(queue: House, store: Counted, share: float) -> None:
    order, decided = job(store), int(share * SHARDS)
    worked(queue, store, order, decided)
    calls, found = calls_of_progress(store, order)
    assert found == Progress(decided, SHARDS - decided, {"correct": 4 * decided} if decided else {})
    assert calls <= MOST_CALLS


def test_a_reconciler_that_is_started_anew_reads_on_where_the_tally_ends(
    queue: House, store: Counted
) -> None:
    order = job(store)
    worked(queue, store, order, SHARDS // 2)
    store.calls.clear()
    Dispatcher(JobDesk(store), queue.redis, AT_ONCE, Listener(queue.redis, 1e9)).round()
    assert store.calls.total() <= MOST_CALLS


def walked(desk: JobDesk, order: JobOrder) -> Progress:
    """Progress, counted by reading every shard."""
    leaves = [outcome for root in order.roots() for _, outcome in desk.leaves(order, root)]
    decided = [outcome for outcome in leaves if outcome is not None]
    counts = summed([outcome.counts for outcome in decided])
    return Progress(len(decided), len(leaves) - len(decided), counts)


@pytest.mark.parametrize("told", range(5))
def test_progress_is_what_all_outcomes_say_however_far_the_tally_reaches(store: Counted, told: int) -> None:
    desk, order = JobDesk(store), job(store, 8)
    commit(desk, order, ShardId(0), correct=3, bad=1)
    parts = ShardId(1).parts(4)
    desk.decide(order, ShardId(1), ShardOutcome(Fate.SPLIT, parts=parts))
    for part in parts:
        commit(desk, order, part, incorrect=1)
    desk.decide(order, ShardId(2), ShardOutcome(Fate.CANCELLED))
    commit(desk, order, ShardId(3))
    desk.decide(order, ShardId(5), ShardOutcome(Fate.SPLIT, parts=parts_of(5)))
    commit(desk, order, parts_of(5)[2], undecided=1)
    commit(desk, order, ShardId(7))
    tally = Tally()
    for root in range(told):
        tally = tally.further([found for _, found in desk.leaves(order, root) if found is not None])
    desk.tell_tally(order, tally)
    assert JobDesk(store).progress(order) == walked(desk, order)


def parts_of(root: int) -> tuple[ShardId, ...]:
    return ShardId(root).parts(4)


def test_a_tally_that_is_told_late_leaves_nothing_of_a_deleted_job(store: Counted) -> None:
    desk, order = JobDesk(store), job(store, 1)
    store.put(order.key.deleted, b"")
    store.delete(order.key.order)
    store.delete_all(order.key.folder)
    desk.tell_tally(order, Tally(1, 1, {}))
    assert store.list(order.key.folder) == []
