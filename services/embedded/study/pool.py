"""Worker processes for a study's tasks: spawned once, one task at a time each, gone with their parent."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Self

from services.pipeline.study.perform import Tools, perform
from services.pipeline.study.tasks import Settle, Tagged, Task
from shared.errors import UnavailableError

Shown = Callable[[str, int, int], None]
MakeTools = Callable[[int], Tools]
_GRACE = 5.0


@dataclass(slots=True)
class _Worker:
    """A process and this side of its pipe; `busy` is the tag it works on."""

    process: SpawnProcess
    pipe: Connection
    busy: str | None = None


class Pool:
    """Implements `services.pipeline.study.tasks.Workers`; use as a context manager.

    Args:
        processes: how many. threads: processor threads of each. tools: makes the parts, in each process.
        shown: told after each task: name of the stage, tasks done, tasks known.
    """

    def __init__(self, processes: int, threads: int, tools: MakeTools, shown: Shown) -> None:
        self._count, self._threads, self._tools, self._shown = processes, threads, tools, shown
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes: at once where something went wrong."""
        for worker in self._workers:
            worker.pipe.close()
            if error is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_GRACE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []

    def run(self, tasks: Iterable[Tagged], settle: Settle) -> None:
        """Do all tasks; those that a result asks for come next. Raises what a task raised."""
        waiting = deque(tasks)
        done, known, failure = 0, len(waiting), None
        while waiting or self._busy:
            while failure is None and waiting and (free := self._free(len(waiting))) is not None:
                self._give(free, waiting.popleft())
            for worker in self._answering():
                tag, stage, good, result = self._take(worker)
                if not good:
                    failure = failure or result
                    waiting.clear()
                    continue
                more = list(settle(tag, result))
                if failure is None:
                    waiting.extendleft(more)
                done, known = done + 1, known + len(more)
                self._shown(stage, done, known)
        if failure is not None:
            raise failure

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.busy is not None]

    def _free(self, waiting: int) -> _Worker | None:
        """A worker without a task, started if there may be one more."""
        free = next((worker for worker in self._workers if worker.busy is None), None)
        if free is None and len(self._workers) < self._count and waiting:
            free = self._started()
            self._workers.append(free)
        return free

    def _started(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, self._threads, self._tools))
        process.start()
        there.close()
        return _Worker(process, here)

    def _give(self, worker: _Worker, one: Tagged) -> None:
        worker.busy = one.tag
        try:
            worker.pipe.send(one)
        except OSError:
            raise self._lost(worker) from None

    def _answering(self) -> list[_Worker]:
        ready = wait([worker.pipe for worker in self._busy])
        return [worker for worker in self._busy if worker.pipe in ready]

    def _take(self, worker: _Worker) -> tuple[str, str, bool, Any]:
        try:
            answer: tuple[str, str, bool, Any] = worker.pipe.recv()
        except (EOFError, OSError):
            raise self._lost(worker) from None
        worker.busy = None
        return answer

    def _lost(self, worker: _Worker) -> UnavailableError:
        worker.process.join(_GRACE)
        code = worker.process.exitcode
        return UnavailableError(
            f"the process that worked on {worker.busy} ended with code {code} (memory?); "
            "the same command goes on where it stopped, --processes 1 needs less memory"
        )


def _work(pipe: Connection, threads: int, make: MakeTools) -> None:
    """Life of a worker: tasks until the pipe ends."""
    # Ctrl-C reaches the whole group; the parent ends its workers when it has put its own things in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tools = make(threads)
    while True:
        try:
            one: Tagged = pipe.recv()
        except EOFError:
            return
        pipe.send((one.tag, one.stage, *_outcome(one.task, tools)))


def _outcome(task: Task, tools: Tools) -> tuple[bool, Any]:
    try:
        return True, perform(task, tools)
    except Exception as error:  # noqa: BLE001 - it travels to the parent, which raises it
        return False, _portable(error)


def _portable(error: Exception) -> Exception:
    """The error itself where it can be pickled and read again, else its traceback in words."""
    error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever an error of some library does when it is pickled
        return RuntimeError(f"in a worker process: {traceback.format_exc()}")
    return error


def _end_with_parent() -> None:
    """A parent that is killed can't end its workers, and their work would meet that of the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
