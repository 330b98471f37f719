"""A worker's bench: store, Redis and services of this process, and what it does at them by task."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from redis import Redis, RedisError

from services.pipeline.dispatch.leases import PREPARE, Leases
from services.pipeline.dispatch.pulse import Pulse
from services.pipeline.export.running import run
from services.pipeline.metrics import WorkMetrics, work_metrics
from services.pipeline.settings import PipelineSettings
from services.pipeline.work.answer import Answers
from services.pipeline.work.awaiting import told_what_is_awaited
from services.pipeline.work.engines import Engines
from services.pipeline.work.operations import MakeWork, line_work
from services.pipeline.work.patience import Patience
from services.pipeline.work.prepare import prepare, prepared_work
from services.pipeline.work.shard import Ended, ShardWork
from shared.errors import BudgetError, IdiolectError, InputError, NotFoundError, UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.errands import Errand
from shared.jobs.interactive import answer, question
from shared.jobs.layout import JobKey, ShardId
from shared.jobs.nudge import connected, nudge
from shared.jobs.order import JobEnd, JobOrder, JobState
from shared.jobs.stall import cause_of
from shared.store import open_store
from shared.tracing import resumed

_LOG = logging.getLogger(__name__)
PAUSE_SECONDS = 5
ERRAND_PAUSE_SECONDS = 30
Work = Callable[[Engines], None]


class Bench:
    """Does one task at a time."""

    def __init__(self, settings: PipelineSettings, make: MakeWork = line_work) -> None:
        self._make = make
        self._settings = settings
        self._desk = JobDesk(open_store(settings.store))
        self._redis: Redis = connected(settings.redis_url)
        self._leases = Leases(self._redis)
        self._patience = Patience(settings.pipeline_patience)
        self._metrics: WorkMetrics = work_metrics()
        self._answers = Answers(settings.targets(), settings.pipeline_in_flight, self._metrics)

    def prepare(self, tenant: str, job: str) -> None:
        """Bind a job to its profile and engines, unless it is or another worker does so."""
        order = self._open(JobKey(tenant, job))
        if order is None or self._desk.prepared(order) is not None:
            return
        self._held(order, PREPARE, lambda engines: prepare(self._desk, order, engines, self._make))

    def shard(self, tenant: str, job: str, shard: str) -> None:
        """Work a shard, unless it is decided or another worker does so."""
        order, named = self._open(JobKey(tenant, job)), ShardId.parse(shard)
        if order is None or self._desk.outcome(order, named) is not None:
            return
        self._held(order, shard, lambda engines: self._work(order, named, engines))

    def errand(self, tenant: str, job: str, errand: str) -> None:
        """Do what is still to be done for a job that has ended, unless another worker does so."""
        key = JobKey(tenant, job)
        try:
            lease = self._leases.take(key, errand)
        except RedisError as error:
            _LOG.warning("errand %s of job %s waits for its lease: %s", errand, job, error)
            return
        if lease is not None:
            with lease, self._metrics.stage("errand"):
                self._errand(key, Errand(errand))

    def _errand(self, key: JobKey, errand: Errand) -> None:
        try:
            run(self._desk, key, errand)
        except UnavailableError as error:
            _LOG.warning("errand %s of job %s waits: %s", errand, key.job, error)
            self._pause(key, errand, ERRAND_PAUSE_SECONDS)

    def answer(self, number: str) -> None:
        """Answer a request whose sender waits, if it still does."""
        asked = question(self._redis, number)
        if asked is None:
            return
        with resumed("answer", asked.trace), self._metrics.stage("answer"):
            told = self._answers.to(asked)
        answer(self._redis, number, told)

    def _open(self, key: JobKey) -> JobOrder | None:
        """The order of a job that is not done; None where there is none (any more)."""
        try:
            return None if self._desk.end(key) is not None else self._desk.order(key)
        except NotFoundError:
            return None

    def _held(self, order: JobOrder, part: str, work: Work) -> None:
        try:
            lease = self._leases.take(order.key, part)
        except RedisError as error:
            _LOG.warning("%s of job %s waits for its lease: %s", part, order.key.job, error)
            return
        if lease is not None:
            with lease:
                self._attributed(order, part, work)
            self._nudge(order.key)

    def _nudge(self, key: JobKey) -> None:
        try:
            nudge(self._redis, key)
        except RedisError as error:
            _LOG.warning("nobody could be nudged (%s); the reconciler comes by anyway", error)

    def _attributed(self, order: JobOrder, part: str, work: Work) -> None:
        """Does the work; what nobody can mend ends the job, what passes is left for later."""
        stage = part if part == PREPARE else "shard"
        try:
            with (
                resumed(stage, order.trace, {"idiolect.job": order.key.job, "idiolect.part": part}),
                self._metrics.stage(stage),
                Engines(self._settings.targets()) as engines,
                told_what_is_awaited(Pulse(self._redis, order.key), engines),
            ):
                work(engines)
        except UnavailableError as error:
            _LOG.warning("%s of job %s waits: %s", part, order.key.job, error)
            self._waits(Pulse(self._redis, order.key), error)
            self._pause(order.key, part)
        except (InputError, BudgetError) as error:
            self._end(order, error)

    def _waits(self, pulse: Pulse, error: UnavailableError) -> None:
        self._metrics.retried(cause_of(error))
        pulse.waits(error)

    def _work(self, order: JobOrder, shard: ShardId, engines: Engines) -> None:
        pulse = Pulse(self._redis, order.key)
        bound = self._patience.through(
            lambda: prepared_work(self._desk, order, engines, self._make),
            threading.Event(),
            lambda error: self._waits(pulse, error),
        )
        work = ShardWork(
            self._desk,
            order,
            shard,
            engines,
            bound,
            self._patience,
            self._metrics,
            self._settings.draining,
            pulse,
            self._settings.pipeline_in_flight,
        )
        if work.run() is Ended.GIVEN_BACK:
            self._pause(order.key, str(shard))

    def _pause(self, key: JobKey, part: str, seconds: int = PAUSE_SECONDS) -> None:
        try:
            self._leases.mark_queued(key, part, seconds)
        except RedisError as error:
            _LOG.warning("%s of job %s may be tried again at once: %s", part, key.job, error)

    def _end(self, order: JobOrder, error: IdiolectError) -> None:
        _LOG.error("job %s fails: %s", order.key.job, error)
        counts = self._desk.progress(order).counts
        self._desk.finish(order, JobEnd(JobState.FAILED, time.time(), counts, str(error)))
