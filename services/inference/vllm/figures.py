"""What the engine tells about its batches and its cache after every step."""

from __future__ import annotations

from typing import Any


class StepTally:
    """Sums up vLLM's statistics; takes the place of one of its stat loggers, one for all replicas.

    Attributes:
        running, waiting: sequences in the current batches, and those that wait for a place in one, as of the
            last step. peak_running: most sequences that ever ran together.
        steps, step_sequences: forward passes so far, and the sequences in all of them.
        cache_queries, cache_hits: prompt tokens looked up in the prefix cache, and found there.
    """

    def __init__(self) -> None:
        self._running: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self.peak_running = 0
        self.steps = 0
        self.step_sequences = 0
        self.cache_queries = 0
        self.cache_hits = 0

    @property
    def running(self) -> int:
        return sum(self._running.values())

    @property
    def waiting(self) -> int:
        return sum(self._waiting.values())

    def forget_current(self) -> None:
        """The engine is gone, and its batches with it; the sums stay."""
        self._running.clear()
        self._waiting.clear()

    def for_replica(self, _config: Any, index: int) -> _ReplicaTally:
        """The stat logger of one replica, as vLLM asks for it."""
        return _ReplicaTally(self, index)

    def add(self, stats: Any, finished: int, replica: int) -> None:
        """One step of a replica (its `SchedulerStats`, which leave out those that it finished)."""
        together = stats.num_running_reqs + finished
        self._running[replica] = stats.num_running_reqs
        self._waiting[replica] = stats.num_waiting_reqs + stats.num_skipped_waiting_reqs
        self.peak_running = max(self.peak_running, self.running)
        self.steps += together > 0
        self.step_sequences += together
        self.cache_queries += stats.prefix_cache_stats.queries
        self.cache_hits += stats.prefix_cache_stats.hits


class _ReplicaTally:
    """vLLM's side of a tally: the methods of its `StatLoggerBase`."""

    def __init__(self, tally: StepTally, replica: int) -> None:
        self._tally = tally
        self._replica = replica

    def record(
        self, scheduler_stats: Any, iteration_stats: Any, mm_cache_stats: Any = None, engine_idx: int = 0
    ) -> None:
        if scheduler_stats is not None:
            finished = 0 if iteration_stats is None else len(iteration_stats.finished_requests)
            self._tally.add(scheduler_stats, finished, self._replica)

    def log_engine_initialized(self) -> None:
        """Nothing to announce."""

    def log(self) -> None:
        """Nothing to print."""

    def record_sleep_state(self, is_awake: int, level: int) -> None:
        """The state is kept by whoever put it to sleep."""
