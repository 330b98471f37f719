"""What a million to a thousand million trajectories ask of store, queue and reconciler: a simulation.

The objects of a shard are counted after a small real job. Then the real reconciler, with a server that speaks
Redis's protocol, looks at jobs whose shards are planned, not stored (`bench.planned_store`): how many calls
of the store it makes, how many seconds of its own it takes, and how many messages wait. No shard is worked.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from redis import Redis

from bench.installation import Installation, installed
from bench.planned_store import PlannedStore
from services.pipeline.dispatch.pulse import Listener
from services.pipeline.dispatch.rounds import Dispatcher
from shared.jobs.desk import JobDesk
from shared.jobs.ids import new_id
from shared.jobs.intake import accept
from shared.jobs.layout import JobKey
from shared.jobs.nudge import BULK, queue_key
from shared.jobs.order import LINES_A_SHARD, Fate, JobOrder, Operation, Prepared, ShardOutcome
from shared.jobs.tally import Tally

TRAJECTORIES = (10**6, 10**7, 10**8, 10**9)
# About 16 GiB of solutions, which is what a gateway takes as one upload by default.
LINES_A_JOB = 25_000_000
SHARE = 0.5
# As a host with 16 workers keeps ahead of them.
ROOM = 32
# What a reconciler may not have told yet when another one starts.
UNTOLD = 16
_REAL_LINES = 8 * LINES_A_SHARD


@dataclass(frozen=True, slots=True)
class Found:
    """Of one size: what is stored, what waits, and what looking costs, half way through.

    Attributes:
        objects: of the store, all jobs together. queued: messages. first_calls, first_s: a host that has just
            started. round_calls, round_s: every later look at all jobs. nudged_calls: a look after a shard
            was finished. progress_calls: a gateway tells how far one job is.
    """

    trajectories: int
    jobs: int
    shards: int
    objects: int
    queued: int
    first_calls: int
    first_s: float
    round_calls: int
    round_s: float
    nudged_calls: int
    progress_calls: int


def main() -> int:
    """Simulate, and print as the last line one JSON object. There is no bar: it is told, not judged."""
    with installed({}) as there:
        names = _names_of_a_shard(there)
        for part, count in sorted(Counter(name.split("/")[0].split(".")[0] for name in names).items()):
            print(f"a shard of {LINES_A_SHARD} verifications holds {count} x {part}", file=sys.stderr)
        # A database of its own: the workers of the real job listen on the other.
        own = there.redis.removesuffix("/0") + "/1"
        with Redis.from_url(own, socket_timeout=10) as redis:
            found = [_simulated(redis, names, size) for size in TRAJECTORIES]
    print("| " + " | ".join(asdict(found[0])) + " |", file=sys.stderr)
    for one in found:
        print("| " + " | ".join(f"{value:,}" for value in asdict(one).values()) + " |", file=sys.stderr)
    line = {"name": "calls_of_a_round_at_1e9", "value": found[-1].round_calls, "unit": "calls of the store"}
    print(json.dumps({**line, "bar": None, "ok": True, "sizes": [asdict(one) for one in found]}))
    return 0


def _names_of_a_shard(there: Installation) -> list[str]:
    """Objects, as a real shard has them once it is done."""
    rows = (
        {"problem": f"What is {number} + 1?", "text": f"It is {number + 1}.", "gold": f"{number + 1}"}
        for number in range(_REAL_LINES)
    )
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    with there.client() as client:
        job = there.submit(client, "/v1/verifications?wait=0", body)
        there.ended(client, job)
    folder = there.folder / "store" / "t" / "local" / "jobs" / job / "shards"
    shards = sorted(folder.iterdir())
    held = Counter(tuple(_names(shard)) for shard in shards)
    print(f"objects a shard: {[(len(names), count) for names, count in held.items()]}", file=sys.stderr)
    return list(held.most_common(1)[0][0])


def _names(shard: Path) -> Iterator[str]:
    for path in sorted(shard.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield str(path.relative_to(shard))


def _simulated(redis: Redis, names: list[str], trajectories: int) -> Found:
    redis.flushdb()
    attempt = next(name.partition(".")[2] for name in names if name.startswith("results."))
    outcome = ShardOutcome(Fate.COMMIT, attempt, {"correct": LINES_A_SHARD})
    store = PlannedStore(outcome.to_bytes(), names)
    sizes = [min(LINES_A_JOB, trajectories - at) for at in range(0, trajectories, LINES_A_JOB)]
    orders = [_planned(store, lines) for lines in sizes]
    shards = sum(order.shards for order in orders)
    rounds = Dispatcher(JobDesk(store), redis, ROOM, Listener(redis, 1e9))
    first_calls, first_s = _measured(store, rounds)
    queued = int(redis.llen(queue_key(BULK)))
    round_calls, round_s = _measured(store, rounds)
    store.plan(orders[0].key, int(orders[0].shards * SHARE) + 1)
    nudged_calls, _ = _measured(store, rounds, orders[0].key)
    store.calls.clear()
    JobDesk(store).progress(orders[0])
    own = sum(order.shards * (len(names) + 1) for order in orders) + 5 * len(orders)
    return Found(
        trajectories,
        len(orders),
        shards,
        own,
        queued,
        first_calls,
        first_s,
        round_calls,
        round_s,
        nudged_calls,
        store.calls.total(),
    )


def _planned(store: PlannedStore, lines: int) -> JobOrder:
    """An accepted job of which half is done, and told but for the last few shards."""
    shards = -(-lines // LINES_A_SHARD)
    order = JobOrder(JobKey("acme", new_id("job")), Operation.VERIFY, {}, {}, lines, shards, time.time())
    if not accept(store, order):
        raise RuntimeError("a new job was not accepted")
    desk, done = JobDesk(store), int(shards * SHARE)
    desk.prepare(order, Prepared(None))
    told = max(0, done - UNTOLD)
    desk.tell_tally(order, Tally(told, told, {"correct": told * LINES_A_SHARD}))
    store.plan(order.key, done)
    return order


def _measured(store: PlannedStore, rounds: Dispatcher, named: JobKey | None = None) -> tuple[int, float]:
    """(calls of the store, seconds) of one look."""
    store.calls.clear()
    begin = time.perf_counter()
    rounds.round(None if named is None else [named])
    return store.calls.total(), round(time.perf_counter() - begin, 4)


if __name__ == "__main__":
    sys.exit(main())
