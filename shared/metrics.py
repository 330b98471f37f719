"""What a service tells Prometheus. Prefix ``idiolect_``, base units, no ids as labels.

| metric | type | labels |
|---|---|---|
| idiolect_requests_total | counter | service, method, code |
| idiolect_requests_in_flight | gauge | service, method |
| idiolect_request_duration_seconds | histogram, up to 600 s | service, method |
| idiolect_tokens_total | counter | service, direction: in, out, cached |
| idiolect_engine_up | gauge | service, engine |
| idiolect_engine_restarts_total | counter | service, engine |
| idiolect_engine_sequences | gauge | service, state: running, waiting |
| idiolect_engine_batch_size | summary: sequences of each step | service |
| idiolect_engine_cache_tokens_total | counter, where the engine tells | service, result: hit, miss |
| idiolect_device_memory_used_bytes | gauge: taken, by whomever | service, device: cpu, cuda:0 ... |
| idiolect_device_memory_total_bytes | gauge | service, device |
| idiolect_verifier_restarts_total | counter: worker processes that had to be replaced | - |
| idiolect_verifier_timeouts_total | counter: questions that ran out of time | - |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily

from shared.devices import DeviceMemory
from shared.domain.model import EngineFigures

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class ServiceMetrics:
    """Requests and tokens of one service."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self.service = service
        self.registry = registry
        self._requests = Counter(
            "idiolect_requests", "Calls that ended.", ("service", "method", "code"), registry=registry
        )
        self._in_flight = Gauge(
            "idiolect_requests_in_flight", "Calls under way.", ("service", "method"), registry=registry
        )
        self._duration = Histogram(
            "idiolect_request_duration_seconds",
            "How long calls took.",
            ("service", "method"),
            buckets=SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "idiolect_tokens", "Tokens read and written.", ("service", "direction"), registry=registry
        )

    def began(self, method: str) -> None:
        """A call came in."""
        self._in_flight.labels(self.service, method).inc()

    def ended(self, method: str, code: str, seconds: float) -> None:
        """A call ended with a canonical status code."""
        self._in_flight.labels(self.service, method).dec()
        self._requests.labels(self.service, method, code).inc()
        self._duration.labels(self.service, method).observe(seconds)

    def tokens(self, *, read: int = 0, written: int = 0, cached: int = 0) -> None:
        """Tokens of one result."""
        for direction, number in (("in", read), ("out", written), ("cached", cached)):
            if number:
                self._tokens.labels(self.service, direction).inc(number)


@dataclass(frozen=True, slots=True)
class EngineState:
    """What is told about an engine: whether it serves, how often it was built anew, and its figures."""

    engine: str
    up: bool
    restarts: int
    figures: EngineFigures


class EngineCollector:
    """What an engine tells about itself, read at each scrape."""

    def __init__(self, service: str, engine: Callable[[], EngineState]) -> None:
        self._service = service
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        state = self._engine()
        labels = (self._service, state.engine)
        up = GaugeMetricFamily("idiolect_engine_up", "Whether it serves.", labels=("service", "engine"))
        up.add_metric(labels, float(state.up))
        yield up
        restarts = CounterMetricFamily(
            "idiolect_engine_restarts", "How often it was built anew.", labels=("service", "engine")
        )
        restarts.add_metric(labels, state.restarts)
        yield restarts
        yield from self._work(state.figures)

    def _work(self, figures: EngineFigures) -> Iterator[Metric]:
        sequences = GaugeMetricFamily(
            "idiolect_engine_sequences", "Sequences in the engine.", labels=("service", "state")
        )
        sequences.add_metric((self._service, "running"), figures.running)
        sequences.add_metric((self._service, "waiting"), figures.waiting)
        yield sequences
        if figures.steps:
            batches = SummaryMetricFamily(
                "idiolect_engine_batch_size", "Sequences of each step.", labels=("service",)
            )
            batches.add_metric((self._service,), figures.steps, figures.step_sequences)
            yield batches
        if figures.cache_queries is not None and figures.cache_hits is not None:
            cache = CounterMetricFamily(
                "idiolect_engine_cache_tokens",
                "Prompt tokens looked up in the prefix cache.",
                labels=("service", "result"),
            )
            cache.add_metric((self._service, "hit"), figures.cache_hits)
            cache.add_metric((self._service, "miss"), figures.cache_queries - figures.cache_hits)
            yield cache


class DeviceCollector:
    """Memory of the devices that a service can use, read at each scrape."""

    def __init__(self, service: str, devices: Callable[[], Iterable[DeviceMemory]]) -> None:
        self._service = service
        self._devices = devices

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        labels = ("service", "device")
        used = GaugeMetricFamily(
            "idiolect_device_memory_used_bytes",
            "Memory that is taken, by this service or others.",
            labels=labels,
        )
        total = GaugeMetricFamily(
            "idiolect_device_memory_total_bytes", "Memory that there is.", labels=labels
        )
        for memory in self._devices():
            used.add_metric((self._service, memory.device), memory.used)
            total.add_metric((self._service, memory.device), memory.total)
        yield used
        yield total


class VerifierCollector:
    """How often the verifier's workers were replaced, and ran out of time."""

    def __init__(self, counts: Callable[[], tuple[int, int]]) -> None:
        """`counts` gives restarts and time-outs so far."""
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        restarts, timeouts = self._counts()
        yield CounterMetricFamily("idiolect_verifier_restarts", "Workers that were replaced.", restarts)
        yield CounterMetricFamily("idiolect_verifier_timeouts", "Questions that ran out of time.", timeouts)
