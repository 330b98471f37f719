"""Warm worker processes that answer questions and may be killed at any moment.

One thread a worker takes questions from a common queue, a few at a time, and runs them in a pebble pool of
exactly one process: so a worker that dies takes nothing with it but its own batch, which is then redone
one question at a time, each with the full limits. No verdict depends on its neighbours.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import weakref
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import forkserver

from pebble import ProcessExpired, ProcessPool

from services.oracle.verifier import worker
from services.oracle.verifier.limits import Limits
from services.oracle.verifier.question import Outcome, Question
from shared.errors import UnavailableError

_START_SECONDS = 60.0
_HOME = os.getpid()


@dataclass(frozen=True, slots=True)
class _Job:
    question: Question
    answer: Future[Outcome] = field(default_factory=Future)


class Tally:
    """Counts what went wrong in any worker: processes that had to be replaced, and time-outs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.restarts = 0
        self.timeouts = 0

    def replaced(self) -> None:
        """A process died or was ended."""
        with self._lock:
            self.restarts += 1

    def timed_out(self) -> None:
        """A question ran out of time, alone and with the full limits."""
        with self._lock:
            self.timeouts += 1


class WorkerPool:
    """`workers` processes behind one queue; started by the first question, safe to use from any thread."""

    def __init__(self, workers: int, limits: Limits) -> None:
        self._workers = workers
        self._limits = limits
        self.tally = Tally()
        self._reset()
        _POOLS.add(self)

    def _reset(self) -> None:
        """Back to the state before the first question; also run in the child of a fork."""
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, question: Question) -> Future[Outcome]:
        """The future outcome of `question`; UnavailableError after close."""
        job = _Job(question)
        with self._lock:
            if self._closed:
                raise UnavailableError("the verifier is closed; make a new one")
            if not self._threads:
                self._start()
            self._queue.put(job)
        return job.answer

    def _start(self) -> None:
        for number in range(self._workers):
            name = f"verifier-{number}"
            arguments = (self._queue, self._limits, self.tally)
            self._threads.append(threading.Thread(target=_serve, args=arguments, name=name, daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        """Answer what was asked, then end every worker process; closing twice is harmless."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, []
            for _ in threads:
                self._queue.put(None)
        for thread in threads:
            thread.join()
        _POOLS.discard(self)
        _stop_fork_server()


_POOLS: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


def _reset_after_fork() -> None:
    for pool in _POOLS:
        pool._reset()


os.register_at_fork(after_in_child=_reset_after_fork)


def _serve(jobs: queue.SimpleQueue[_Job | None], limits: Limits, tally: Tally) -> None:
    """The life of one thread: batch after batch, until told to end."""
    with _Worker(limits, tally) as process:
        more = True
        while more:
            batch, more = _next_batch(jobs, limits.batch)
            wanted = [job for job in batch if job.answer.set_running_or_notify_cancel()]
            _settle(process, wanted, limits)


def _settle(process: _Worker, batch: list[_Job], limits: Limits) -> None:
    """Give every job its outcome, or the error that kept it from one: nobody waits for ever."""
    try:
        outcomes = _answer(process, batch, limits)
    except Exception as error:  # noqa: BLE001  (raised again where the answer is read)
        for job in batch:
            job.answer.set_exception(error)
        return
    for job, outcome in zip(batch, outcomes, strict=True):
        job.answer.set_result(outcome)


def _next_batch(jobs: queue.SimpleQueue[_Job | None], most: int) -> tuple[list[_Job], bool]:
    """Wait for one job and take those that are there already; False after the last one."""
    batch: list[_Job] = []
    try:
        while len(batch) < most:
            job = jobs.get(block=not batch)
            if job is None:
                return batch, False
            batch.append(job)
    except queue.Empty:
        pass
    return batch, True


def _answer(process: _Worker, batch: list[_Job], limits: Limits) -> list[Outcome]:
    questions = tuple(job.question for job in batch)
    if len(questions) > 1:
        together = process.ask(questions, limits.batch_item_seconds)
        if not isinstance(together, Outcome):
            return list(together)
    return [_alone(process, question, limits) for question in questions]


def _alone(process: _Worker, question: Question, limits: Limits) -> Outcome:
    """The outcome of one question with the full limits; a worker lost by no fault of it is replaced once."""
    for _ in range(2):
        outcome = process.ask((question,), limits.seconds)
        if not isinstance(outcome, Outcome):
            return _counted(outcome[0], process)
        if outcome is not Outcome.CRASH:
            return _counted(outcome, process)
    return Outcome.CRASH


def _counted(outcome: Outcome, process: _Worker) -> Outcome:
    if outcome is Outcome.TIMEOUT:
        process.tally.timed_out()
    return outcome


class _Worker:
    """One process, replaced whenever it dies or doesn't answer."""

    def __init__(self, limits: Limits, tally: Tally) -> None:
        self._limits = limits
        self.tally = tally
        self._pool = self._new_pool()
        self._warm = False

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=1,
            max_tasks=self._limits.tasks,
            initializer=worker.start,
            initargs=[self._limits],
            context=_context(),
        )

    def _stop(self) -> None:
        self._pool.stop()
        self._pool.join()

    def ask(self, questions: tuple[Question, ...], seconds: float) -> tuple[Outcome, ...] | Outcome:
        """One outcome a question, or the one reason why there is none."""
        limits = self._limits
        patience = limits.patience_seconds if self._warm else limits.wall_seconds + _START_SECONDS
        try:
            future = self._pool.schedule(
                worker.judge_batch, args=[questions, seconds], timeout=limits.wall_seconds
            )
            outcomes = tuple(future.result(timeout=patience))
        except ProcessExpired as expired:
            self.tally.replaced()
            return _REASONS.get(expired.exitcode, Outcome.CRASH)
        except FutureTimeoutError:
            if not future.done():
                return self._replaced(Outcome.TIMEOUT)
            # The pool ended the process itself and will begin another one.
            self.tally.replaced()
            return Outcome.TIMEOUT
        except (BrokenProcessPool, RuntimeError):
            return self._replaced(Outcome.CRASH)
        # Once the fork server has the libraries, a worker's successor is ready at once.
        self._warm = os.getpid() == _HOME
        return outcomes

    def _replaced(self, reason: Outcome) -> Outcome:
        self.tally.replaced()
        self._stop()
        self._pool = self._new_pool()
        self._warm = False
        return reason


_REASONS = {
    -signal.SIGPROF: Outcome.TIMEOUT,
    worker.EXIT_MEMORY: Outcome.MEMORY,
}


def _context() -> multiprocessing.context.BaseContext:
    """Workers come from a fork server that has the libraries loaded, never from a fork of this process.

    The child of a fork can't speak to its parent's fork server and spawns instead.
    """
    if os.getpid() != _HOME:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["services.oracle.verifier.warm"])
    return context


def _stop_fork_server() -> None:
    """End the fork server with the last pool; the standard library starts it again when needed.

    It has no public way to end it. Other users' processes keep it alive, as theirs to end.
    """
    if os.getpid() == _HOME and not _POOLS and not multiprocessing.active_children():
        forkserver._forkserver._stop()  # type: ignore[attr-defined]
