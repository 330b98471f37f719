"""The thread that the model lives in: it takes orders and turns the desk until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue

from services.inference.transformers.desk import Desk
from services.inference.transformers.orders import Command, Order, SampleOrder, ScoreOrder, Stop
from shared.domain import EngineFigures, ModelInfo
from shared.errors import IdiolectError, UnavailableError

CLOSED = "the engine was closed"


class Worker:
    """Runs one desk in a daemon thread.

    Whatever ends the thread also fails all that is under way, and every later order at once.
    """

    def __init__(
        self, make: Callable[[], Desk], ready: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        """Make the desk in the new thread, then call `ready`, or `failed` with the reason."""
        self._make, self._ready, self._failed = make, ready, failed
        self._inbox: SimpleQueue[Order] = SimpleQueue()
        self._lock = threading.Lock()
        self._lost: str | None = None
        self._desk: Desk | None = None
        self._thread = threading.Thread(target=self._live, name="idiolect-transformers", daemon=True)
        self._thread.start()

    @property
    def figures(self) -> EngineFigures:
        """As of now; orders that nobody has looked at yet are waiting."""
        figures = self._desk.figures if self._desk else EngineFigures()
        return replace(figures, waiting=figures.waiting + self._inbox.qsize())

    @property
    def info(self) -> ModelInfo:
        """The model that is being served now."""
        assert self._desk is not None
        return self._desk.info

    def submit(self, order: Order) -> None:
        """Hand in an order from any thread. Raises UnavailableError once the thread is gone."""
        with self._lock:
            if self._lost is not None:
                raise UnavailableError(self._lost)
            self._inbox.put(order)

    def stop(self) -> None:
        """End the thread at its next turn, and wait for that."""
        with self._lock:
            if self._lost is None:
                self._inbox.put(Stop())
        self._thread.join()

    def _live(self) -> None:
        try:
            self._desk = desk = self._make()
        except IdiolectError as error:
            self._end(str(error))
            self._failed(error)
            return
        except BaseException as error:
            self._end(f"the model could not be loaded ({type(error).__name__}: {error})")
            self._failed(UnavailableError(self._lost))
            raise
        self._serve(desk)

    def _serve(self, desk: Desk) -> None:
        try:
            self._ready()
            while self._take(desk):
                desk.turn()
            self._end(CLOSED)
        except BaseException as error:
            self._end(f"the engine died ({type(error).__name__}: {error})")
            raise
        finally:
            desk.give_up(UnavailableError(self._lost))

    def _take(self, desk: Desk) -> bool:
        """Move what has come to the desk; wait for something where there is nothing to do."""
        while not self._inbox.empty() or desk.idle:
            order = self._inbox.get()
            if isinstance(order, Stop):
                return False
            desk.take(order)
        return True

    def _end(self, reason: str) -> None:
        with self._lock:
            self._lost = reason
        while not self._inbox.empty():
            order = self._inbox.get()
            if isinstance(order, SampleOrder | ScoreOrder | Command):
                order.failed(UnavailableError(reason))
