"""What the pipeline tells Prometheus, added up over the processes that share PROMETHEUS_MULTIPROC_DIR.

| metric | type | labels |
|---|---|---|
| idiolect_trajectories_total | counter: lines settled, repeated work included | strategy, outcome |
| idiolect_trajectories_in_flight | gauge | strategy |
| idiolect_stage_duration_seconds | histogram | stage |
| idiolect_shards_total | counter | state: commit, split, cancelled, given_back |
| idiolect_retries_total | counter: calls and tasks that are tried again | cause |
| idiolect_oracle_tokens_total | counter: what the oracle's model spent on lines | direction: in, out |
| idiolect_style_drift_nats | histogram: of changed trajectories, a token | - |
| idiolect_utility | histogram: of changed trajectories | - |
| idiolect_queue_depth | gauge: messages that wait | queue |
| idiolect_queue_oldest_age_seconds | gauge: age of the message that waits longest | queue |
| idiolect_jobs_oldest_age_seconds | gauge: age of the oldest job that is not done | - |
| idiolect_jobs_live | gauge: accepted and not done | - |
| idiolect_jobs_stalled | gauge: jobs in which nothing moves | cause |

Stages: verify, locate, propose, score, gate, commit within a line and a shard; prepare, shard, answer,
errand for a task of a worker. docs/metrics.md says more.
"""

from __future__ import annotations

import math
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
from shared.metering import Usage
from shared.metrics import SECONDS

_DRIFTS = (-1, -0.5, -0.25, -0.1, -0.05, -0.02, 0, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2)
_UTILITIES = (-2, -1, -0.5, -0.25, -0.1, 0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)


class WorkMetrics:
    """Counted where the work is done."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._settled = Counter(
            "idiolect_trajectories", "Lines settled.", ("strategy", "outcome"), registry=registry
        )
        self._in_flight = Gauge(
            "idiolect_trajectories_in_flight",
            "Lines at work.",
            ("strategy",),
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

        self._retries = Counter(
            "idiolect_retries", "Calls that are tried again.", ("cause",), registry=registry
        )
        self._tokens = Counter(
            "idiolect_oracle_tokens", "What the oracle's model spent.", ("direction",), registry=registry
        )
        self._drift = Histogram(
            "idiolect_style_drift_nats",
            "Style drift of changed trajectories, a token.",
            buckets=_DRIFTS,
            registry=registry,
        )
        self._utility = Histogram(
            "idiolect_utility", "Utility of changed trajectories.", buckets=_UTILITIES, registry=registry
        )

    def settled(self, strategy: str, outcome: str) -> None:
        """A line is settled."""
        self._settled.labels(strategy, outcome).inc()

    def retried(self, cause: str) -> None:
        """A call is tried again."""
        self._retries.labels(cause).inc()

    def spent(self, usage: Usage) -> None:
        """The oracle's language model spent something on a line."""
        self._tokens.labels("in").inc(usage.tokens_in)
        self._tokens.labels("out").inc(usage.tokens_out)

    def changed(self, drift: float | None, utility: float | None) -> None:
        """A trajectory was changed; None and NaN where a figure isn't known."""
        for histogram, figure in ((self._drift, drift), (self._utility, utility)):
            if figure is not None and math.isfinite(figure):
                histogram.observe(figure)

    @contextmanager
    def in_flight(self, strategy: str) -> Iterator[None]:
        """A line is at work for as long as the context lasts."""
        gauge = self._in_flight.labels(strategy)
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
            self.took(name, time.monotonic() - began)

    def took(self, stage: str, seconds: float) -> None:
        """A stage is over."""
        self._stages.labels(stage).observe(seconds)

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
    """What waits.

    Attributes:
        depths, ages: messages by queue, and seconds for which the first of them has waited.
        live, oldest: jobs that aren't done, and the age of the oldest in seconds. stalled: jobs by cause.
    """

    depths: dict[str, int]
    ages: dict[str, float]
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
        age = GaugeMetricFamily(
            "idiolect_queue_oldest_age_seconds", "How long the first message has waited.", labels=("queue",)
        )
        for queue, seconds in backlog.ages.items():
            age.add_metric((queue,), seconds)
        yield age
        yield GaugeMetricFamily(
            "idiolect_jobs_oldest_age_seconds", "Age of the oldest job that is not done.", backlog.oldest
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
