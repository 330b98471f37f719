"""Works one shard: many lines in flight, progress kept in segments, one outcome at the end."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from services.pipeline.dispatch.pulse import Pulse
from services.pipeline.metrics import WorkMetrics
from services.pipeline.work.attempts import MOST_FRUITLESS, Attempts
from services.pipeline.work.engines import Engines
from services.pipeline.work.lines import Line, shard_lines
from services.pipeline.work.operations import LineWork, strategy_of
from services.pipeline.work.patience import Patience, Stopped
from services.pipeline.work.purse import Limit, Purse
from services.pipeline.work.runlog import RunLog
from services.pipeline.work.segments import Segments, finished_lines, outcome_of
from shared.errors import UnavailableError
from shared.jobs.budget import BudgetBook
from shared.jobs.desk import JobDesk
from shared.jobs.layout import ShardId
from shared.jobs.order import Fate, JobOrder, Operation, ShardOutcome
from shared.jobs.stall import cause_of
from shared.jsonl import RawLine
from shared.metering import metered
from shared.tracing import in_this_trace

_LOG = logging.getLogger(__name__)
SEGMENT_LINES = 64
SEGMENT_SECONDS = 5.0
LOOK_SECONDS = 2.0
_LINES_AHEAD = 8
SHARD_SECONDS = 1200.0
"""A shard that takes longer is given back, so that others get their turn."""


class Exhausted(Exception):  # noqa: N818 - nothing went wrong
    """What is left of the budget is not enough for another line."""


class Ended(StrEnum):
    """How a worker left a shard."""

    DECIDED = "decided"
    GIVEN_BACK = "given_back"


@dataclass
class ShardWork:
    """One attempt at one shard.

    Attributes:
        work: the operation, over `engines`, which are cut when the job is cancelled.
        at_once: most lines in flight. patience: with services that are gone.
        draining: whether this worker comes to its end, and has to give the shard back.
        pulse: is told what moves and what is waited for.
    """

    desk: JobDesk
    order: JobOrder
    shard: ShardId
    engines: Engines
    work: LineWork
    patience: Patience
    metrics: WorkMetrics
    draining: Callable[[], bool]
    pulse: Pulse
    at_once: int = 32
    _lines: dict[int, Line] = field(default_factory=dict)
    _fresh: list[Line] = field(default_factory=list)
    _finished: int = 0

    def run(self) -> Ended:
        """Decide the shard, or give it back with what was finished kept."""
        self._lines = finished_lines(self.desk.store, self.order, self.shard)
        wanted = [raw for raw in self._input() if raw.number not in self._lines]
        attempts = Attempts(self.desk.store, self.order, self.shard)
        if wanted and attempts.fruitless(len(self._lines)) >= MOST_FRUITLESS:
            if len(wanted) > 1:
                return self._split()
            self._condemn(wanted[0])
            wanted = []
        attempt = attempts.begin(len(self._lines))
        segments = Segments(self.desk.store, self.order, self.shard, attempt)
        self._log = RunLog(self.desk.store, self.order, self.shard, attempt)
        self._purse = Purse(None, 0)
        try:
            self._purse = self._purse_of(attempt)
            self._work_all(wanted, segments)
            return self._decide(attempt, Fate.COMMIT)
        except UnavailableError as error:
            return self._give_back(attempts, attempt, segments, str(error))
        except Exhausted:
            self.desk.exhaust(self.order)
            return self._decide(attempt, Fate.CANCELLED)
        except Stopped:
            if not self._is_cancelled():
                return self._give_back(attempts, attempt, segments, "the worker comes to its end")
            return self._decide(attempt, Fate.CANCELLED)

    @property
    def _strategy(self) -> str:
        return strategy_of(self.order.operation, self.order.config["scorer"])

    def _input(self) -> Iterator[RawLine]:
        return shard_lines(self.desk.store, self.order, self.shard)

    def _purse_of(self, attempt: str) -> Purse:
        """Without a limit where there is no budget, or nothing that spends it."""
        order = self.order
        spends = order.operation is Operation.REFINE and self.engines.oracle.info.judges
        if order.budget is None or not spends:
            return Purse(None, 0)
        book = BudgetBook(self.desk.store, order.key)
        return Purse(Limit(book, order.budget, f"{self.shard}/{attempt}", self._is_over), _LINES_AHEAD)

    def _is_over(self, holder: str) -> bool:
        """Whether an attempt is no more: a later one is at its shard, or the shard is decided."""
        shard = ShardId.parse(holder.partition("/")[0])
        return shard == self.shard or self.desk.outcome(self.order, shard) is not None

    def _work_all(self, wanted: Sequence[RawLine], segments: Segments) -> None:
        with self._watched() as stop, self._pool(stop) as begin:
            running: set[Future[Line]] = set()
            waiting = deque(wanted)
            written, until = time.monotonic(), time.monotonic() + SHARD_SECONDS
            while waiting or running:
                while waiting and len(running) < self.at_once and (held := self._purse.reserve()) is not None:
                    running.add(begin(waiting.popleft(), held))
                if not running:
                    raise self._out_of_funds()
                done, running = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                self._collect(done)
                if len(self._fresh) >= SEGMENT_LINES or time.monotonic() - written >= SEGMENT_SECONDS:
                    self._write(segments)
                    written = time.monotonic()
                if time.monotonic() > until:
                    raise UnavailableError(f"it took longer than {SHARD_SECONDS:g} s at one go")

    def _out_of_funds(self) -> Exception:
        if self._purse.is_exhausted():
            return Exhausted()
        return UnavailableError("what is left of the budget is held for other shards")

    def _collect(self, done: set[Future[Line]]) -> None:
        """Keeps what was finished, even where another line of the same moment broke."""
        errors = [error for future in done if (error := future.exception()) is not None]
        for future in done:
            if future.exception() is None:
                line = future.result()
                self._lines[line.number] = line
                self._fresh.append(line)
                self._finished += 1
                self.metrics.settled(self._strategy, line.outcome)
                self.pulse.moved()
        if errors:
            raise next((error for error in errors if isinstance(error, Stopped)), errors[0])

    def _write(self, segments: Segments) -> None:
        if self._fresh:
            segments.write(self._fresh)
            self._fresh = []
            if self._purse.usage.total:
                self._purse.save()
                self._log.write(self._finished, self._purse.usage)

    @contextmanager
    def _pool(self, stop: threading.Event) -> Iterator[Callable[[RawLine, int], Future[Line]]]:
        """Begins lines; at the end nobody is left at work, because their calls are aborted."""
        pool, one = ThreadPoolExecutor(self.at_once, thread_name_prefix="line"), in_this_trace(self._one)
        try:
            yield lambda raw, held: pool.submit(one, raw, held, stop)
        except BaseException:
            stop.set()
            self.engines.cut()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, raw: RawLine, held: int, stop: threading.Event) -> Line:
        """One line; whatever its tries spend is spent, also where nothing comes of it."""
        with self.metrics.in_flight(self._strategy), metered() as meter:
            try:
                return self.patience.through(lambda: self.work.work(raw), stop, self._waits)
            finally:
                self._purse.settle(held, meter.usage)
                self.metrics.spent(meter.usage)

    def _waits(self, error: UnavailableError) -> None:
        cause = cause_of(error)
        self._log.retried(cause)
        self.metrics.retried(cause)
        self.pulse.waits(error)

    @contextmanager
    def _watched(self) -> Iterator[threading.Event]:
        """An event that is set, and the engines cut, soon after the job is cancelled or the worker ends."""
        stop, over = threading.Event(), threading.Event()

        def look() -> None:
            while not over.wait(LOOK_SECONDS):
                if self.draining() or self._is_cancelled():
                    stop.set()
                    self.engines.cut()
                    return

        watcher = threading.Thread(target=look, name="cancel", daemon=True)
        watcher.start()
        try:
            yield stop
        finally:
            over.set()
            watcher.join()

    def _is_cancelled(self) -> bool:
        try:
            return self.desk.is_cancelled(self.order.key)
        except UnavailableError as error:
            _LOG.warning("can't see whether job %s is cancelled: %s", self.order.key.job, error)
            return False

    def _decide(self, attempt: str, fate: Fate) -> Ended:
        self._settle(fate)
        with self.metrics.stage("commit"):
            outcome = outcome_of(self.desk.store, self.order, self.shard, attempt, self._lines, fate)
            won = self.desk.decide(self.order, self.shard, outcome)
        if won:
            self.metrics.shard(fate)
            self.desk.store.delete_all(self.order.key.shard(self.shard, "segments/"))
        return Ended.DECIDED

    def _settle(self, end: str) -> None:
        """What was spent is put down before anything says that the attempt has ended."""
        self._purse.close()
        self._log.write(self._finished, self._purse.usage, end)

    def _split(self) -> Ended:
        parts = self.shard.parts(self.order.lines_of(self.shard.root))
        if self.desk.decide(self.order, self.shard, ShardOutcome(Fate.SPLIT, parts=parts)):
            self.metrics.shard(Fate.SPLIT)
            _LOG.warning("shard %s of job %s loses its workers and is split", self.shard, self.order.key.job)
        return Ended.DECIDED

    def _condemn(self, raw: RawLine) -> None:
        reason = f"{MOST_FRUITLESS} workers in a row ended while they were at work on this line"
        _LOG.warning("line %d of job %s is given up: %s", raw.number, self.order.key.job, reason)
        self._lines[raw.number] = line = self.work.condemn(raw, reason)
        self.metrics.settled(self._strategy, line.outcome)

    def _give_back(self, attempts: Attempts, attempt: str, segments: Segments, reason: str) -> Ended:
        # Said first: where the disk is full, no attempt must look as if the shard had killed its worker.
        attempts.give_back(attempt)
        self._write(segments)
        self._settle(Ended.GIVEN_BACK)
        self.metrics.given_back()
        _LOG.warning("shard %s of job %s is given back: %s", self.shard, self.order.key.job, reason)
        return Ended.GIVEN_BACK
