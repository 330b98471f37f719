"""What the pipeline tells Prometheus, added up over the processes that share PROMETHEUS_MULTIPROC_DIR.

| metric | type | labels |
|---|---|---|
| idiolect_trajectories_total | counter: lines settled, repeated work included | operation, outcome |
| idiolect_trajectories_in_flight | gauge | operation |
| idiolect_stage_duration_seconds | histogram | stage: prepare, shard, answer, errand |
| idiolect_shards_total | counter | state: commit, split, cancelled, given_back |
| idiolect_queue_depth | gauge: messages that wait | queue |
| idiolect_queue_oldest_age_seconds | gauge: age of the oldest job that is not done | - |
| idiolect_jobs_live | gauge: accepted and not done | - |
| idiolect_jobs_stalled | gauge: jobs in which nothing moves | cause: queue, engine, rate_limit, store |
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric

from shared.jobs.stall import CAUSES
from shared.metrics import SECONDS


class WorkMetrics:
    """Counted where the work is done."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._settled = Counter(
            "idiolect_trajectories", "Lines settled.", ("operation", "outcome"), registry=registry
        )
        self._in_flight = Gauge(
            "idiolect_trajectories_in_flight",
            "Lines at work.",
            ("operation",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._stages = Histogram(
            "idiolect_stage_duration_seconds",
            "How long stages took.",
            ("stage",),
            buckets=SECONDS,
            registry=registry,
        )
        self._shards = Counter(
            "idiolect_shards", "Shards by what became of them.", ("state",), registry=registry
        )

    def settled(self, operation: str, outcome: str) -> None:
        """A line is settled."""
        self._settled.labels(operation, outcome).inc()

    @contextmanager
    def in_flight(self, operation: str) -> Iterator[None]:
        """A line is at work for as long as the context lasts."""
        gauge = self._in_flight.labels(operation)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage lasts as long as the context."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._stages.labels(name).observe(time.monotonic() - began)

    def shard(self, state: str) -> None:
        """A shard was decided."""
        self._shards.labels(state).inc()

    def given_back(self) -> None:
        """A shard was given back undecided."""
        self._shards.labels("given_back").inc()


@cache
def work_metrics() -> WorkMetrics:
    """Those of this process."""
    return WorkMetrics(REGISTRY)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: messages by queue, jobs that aren't done, the oldest's age in seconds, stalls by cause."""

    depths: dict[str, int]
    live: int
    oldest: float
    stalled: dict[str, int]


class HostCollector:
    """The workers' metrics added up, and what waits; read at each scrape."""

    def __init__(self, folder: Path, backlog: Callable[[], Backlog]) -> None:
        self._folder, self._backlog = folder, backlog

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        self._forget_dead()
        workers = CollectorRegistry()
        multiprocess.MultiProcessCollector(workers, path=str(self._folder))  # type: ignore[no-untyped-call]
        yield from workers.collect()
        backlog = self._backlog()
        depth = GaugeMetricFamily("idiolect_queue_depth", "Messages that wait.", labels=("queue",))
        for queue, number in backlog.depths.items():
            depth.add_metric((queue,), number)
        yield depth
        yield GaugeMetricFamily(
            "idiolect_queue_oldest_age_seconds", "Age of the oldest job that is not done.", backlog.oldest
        )
        yield GaugeMetricFamily("idiolect_jobs_live", "Jobs that are not done.", backlog.live)
        stalled = GaugeMetricFamily(
            "idiolect_jobs_stalled", "Jobs in which nothing moves.", labels=("cause",)
        )
        for cause in CAUSES:
            stalled.add_metric((cause,), backlog.stalled.get(cause, 0))
        yield stalled

    def _forget_dead(self) -> None:
        """What a killed worker had in flight is in flight no more."""
        for path in self._folder.glob("gauge_live*_*.db"):
            pid = int(path.stem.rpartition("_")[2])
            if not _lives(pid):
                multiprocess.mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
