"""The reconciler: goes through the jobs in the store, ends those that are done, and keeps the queue filled.

Every host runs it, after each nudge and every few seconds. Redis may have forgotten everything: whatever has
no outcome in the store and no living lease is queued again.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from redis import Redis, RedisError

from services.pipeline.dispatch.closing import close_cancelled, finish
from services.pipeline.dispatch.leases import PREPARE, Leases
from services.pipeline.dispatch.pulse import Listener
from services.pipeline.dispatch.turns import Turns
from services.pipeline.metrics import Backlog
from shared.errors import IdiolectError, NotFoundError, StoreError, UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.errands import Errand, waiting
from shared.jobs.layout import LIVE, JobKey
from shared.jobs.nudge import BULK, INTERACTIVE, oldest_age, post, queue_key, queued_arguments
from shared.jobs.order import JobOrder, Operation
from shared.jobs.stall import Stall, tell
from shared.jobs.tally import Tally
from shared.store import every_key

_LOG = logging.getLogger(__name__)
SHARD_TASK = "shard.work"
ERRAND_TASK = "job.errand"
PREPARE_TASK = "job.prepare"
_ERRANDS = frozenset(map(str, Errand))
_MOST_REMEMBERED = 10_000
_TALLY_ROOTS = 16
"""Root shards after which a job's tally is told anew: one write for so many reads that others are spared."""


@dataclass
class _Job:
    order: JobOrder
    tally: Tally
    told: int
    prepared: bool = False


class Dispatcher:
    """Gives work out, at most `room` messages ahead of the workers."""

    def __init__(self, desk: JobDesk, redis: Redis, room: int, listener: Listener) -> None:
        self._listener = listener
        self._stalls: dict[JobKey, Stall] = {}
        self._desk, self._redis, self._room = desk, redis, room
        self._leases, self._turns = Leases(redis), Turns(redis)
        self._jobs: OrderedDict[JobKey, _Job] = OrderedDict()
        self._opened: dict[JobKey, _Job] = {}

    def round(self, named: Collection[JobKey] | None = None) -> None:
        """One look at the jobs that are named, at new ones, and at all where none is named.

        Of the others the last look holds. UnavailableError, RedisError: nothing is wrong, look again later.
        """
        live = [JobKey.of_live(key) for key in every_key(self._desk.store, LIVE)]
        before = {} if named is None else self._opened
        known = {key: before[key] for key in live if key in before and key not in (named or ())}
        wanted = [key for key in live if key not in known and (named is None or self._may_move(key, named))]
        opened = known | {key: job for key in wanted if (job := self._open(key)) is not None}
        self._opened = opened
        if not named:
            self._send_errands()
        self._fill(opened)
        if named is None:
            self._tell_stalls(opened)

    def _may_move(self, key: JobKey, named: Collection[JobKey]) -> bool:
        return key in named or key not in self._jobs

    def _tell_stalls(self, jobs: dict[JobKey, _Job]) -> None:
        """Say in the job and in the log which ones stand still; take it back when they move."""
        before, self._stalls = self._stalls, {}
        for key, job in jobs.items():
            stall = self._listener.stall(key, job.order.created, self._is_held(job))
            if stall is not None:
                self._stalls[key] = stall
                if before.get(key) != stall:
                    _LOG.warning("job %s stands still (%s): %s", key.job, stall.cause, stall.reason)
                    self._tell(key, stall)
            elif key in before or self._desk.store.exists(key.progress):
                self._desk.store.delete(key.progress)

    def _tell(self, key: JobKey, stall: Stall) -> None:
        """Say it in the job, unless the store itself is why the job stands still."""
        try:
            tell(self._desk.store, key, stall)
        except StoreError as error:
            _LOG.warning("it can't be told in job %s: %s", key.job, error)

    def _is_held(self, job: _Job) -> bool:
        part = PREPARE
        if job.prepared:
            part = str(next(self._desk.open_shards(job.order, job.tally.roots), part))
        return self._leases.is_held(job.order.key, part)

    def backlog(self) -> Backlog:
        """What waits; no depths where Redis is away."""
        names = (BULK, INTERACTIVE)
        try:
            depths = {name: int(self._redis.llen(queue_key(name))) for name in names}
            waited = {name: oldest_age(self._redis, name) for name in names}
        except RedisError:
            depths, waited = {}, {}
        opened = self._opened
        ages = [time.time() - job.order.created for job in opened.values()]
        stalled = Counter(stall.cause for stall in self._stalls.values())
        return Backlog(depths, waited, len(opened), max(ages, default=0.0), dict(stalled))

    def _open(self, key: JobKey) -> _Job | None:
        """The job if there is work to give out; a job that breaks here must not keep others waiting."""
        try:
            return self._looked_at(key)
        except UnavailableError:
            raise
        except IdiolectError as error:
            _LOG.error("job %s can't be looked at: %s", key.job, error)
            return None

    def _looked_at(self, key: JobKey) -> _Job | None:
        job = self._known(key)
        if job is None or self._is_over(key):
            return None
        order = job.order
        if self._desk.is_cancelled(key) or self._desk.is_exhausted(order):
            if close_cancelled(self._desk, self._leases, order):
                finish(self._desk, order)
            return None
        self._advance(job)
        if job.tally.roots == order.shards:
            finish(self._desk, order)
            return None
        return job

    def _advance(self, job: _Job) -> None:
        """See how far it is, and say so now and then."""
        job.tally = self._desk.advanced(job.order, job.tally)
        if job.tally.roots - job.told >= _TALLY_ROOTS:
            self._desk.tell_tally(job.order, job.tally)
            job.told = job.tally.roots

    def _is_over(self, key: JobKey) -> bool:
        """Whether the job is done; whoever said so may have been killed before it was taken from the list."""
        if self._desk.end(key) is None:
            return False
        self._desk.store.delete(key.live)
        self._jobs.pop(key, None)
        return True

    def _known(self, key: JobKey) -> _Job | None:
        """The job; None while it isn't accepted yet, or where it never will be."""
        if key not in self._jobs:
            try:
                order = self._desk.order(key)
            except NotFoundError:
                return None
            tally = self._desk.tally(order)
            self._jobs[key] = _Job(order, tally, tally.roots)
            while len(self._jobs) > _MOST_REMEMBERED:
                self._jobs.popitem(last=False)
        return self._jobs[key]

    def _send_errands(self) -> None:
        """Give out what is still to be done for jobs that have ended, as far as there is room.

        In turns as shards are, so that errands which fail again and again don't keep others waiting.
        """
        free = [one for one in waiting(self._desk.store) if self._leases.is_free(*one)]
        if not free:
            return
        turns = {key: turn for turn, key in enumerate(self._turns.in_order([key for key, _ in free]))}
        queued = sum(arguments[-1] in _ERRANDS for arguments in queued_arguments(self._redis, BULK))
        free.sort(key=lambda one: turns[one[0]])
        for key, errand in free[: max(0, self._room - queued)]:
            if self._leases.mark_queued(key, errand):
                post(self._redis, ERRAND_TASK, [key.tenant, key.job, errand], BULK)
                self._turns.took(key)

    def _fill(self, jobs: dict[JobKey, _Job]) -> None:
        """Fill the queue up; who has nothing in it and waits longest goes before all others, room or not."""
        queued = [arguments[0] for arguments in queued_arguments(self._redis, BULK)]
        waiting = {key: self._parts(job) for key, job in jobs.items()}
        while waiting:
            key = self._turns.in_order([*waiting])[0]
            first = key.tenant not in queued and self._turns.waits_longer(key.tenant, queued)
            if not first and len(queued) >= self._room:
                return
            part = next(waiting[key], None)
            if part is None:
                del waiting[key]
                continue
            self._give_out(jobs[key].order, part, first)
            queued.append(key.tenant)

    def _parts(self, job: _Job) -> Iterator[str]:
        """What of a job can be given out, first things first."""
        key = job.order.key
        job.prepared = job.prepared or self._desk.prepared(job.order) is not None
        if not job.prepared:
            names = iter([PREPARE])
        else:
            names = (str(shard) for shard in self._desk.open_shards(job.order, job.tally.roots))
        for name in names:
            if self._leases.is_free(key, name) and self._leases.mark_queued(key, name):
                yield name

    def _give_out(self, order: JobOrder, part: str, first: bool) -> None:
        key = order.key
        if part == PREPARE:
            post(self._redis, PREPARE_TASK, [key.tenant, key.job], BULK, first=first)
        else:
            post(self._redis, SHARD_TASK, [key.tenant, key.job, part], BULK, first=first)
        if part != PREPARE or _may_fit(order):
            self._turns.took(key)


def _may_fit(order: JobOrder) -> bool:
    """Whether preparing the job may read all its lines; else it takes no time, and is no turn."""
    return order.operation in (Operation.REFINE, Operation.SCORE) and order.config.get("profile") is None
