"""Streams of answers that are read whole: one thread of the process reads them all, and who called sleeps.

A thread that waits on a stream of gRPC's own wakes ten times a second, which hundreds of them at once take
from the engines beside them. Here it wakes once, when its call is over.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from grpc import aio

from shared.errors import UnavailableError
from shared.rpc.spans import Metadata

_END_SECONDS = 1.0


class Streams:
    """The calls of one connection that are answered by streams; safe to use from threads, where `usable`."""

    def __init__(self, channel: Callable[[], aio.Channel], stub: Any) -> None:
        """`channel` makes one for the running event loop, `stub` is the class of the service's stub."""
        self._make, self._kind = channel, stub
        self._cut = False
        # What follows is used by the thread of the loop alone.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: aio.Channel | None = None
        self._stub: Any = None
        self._reading: set[asyncio.Task[Any]] = set()

    def read(
        self, method: str, sent: Any, keep: Callable[[Any], None], *, timeout: float, metadata: Metadata
    ) -> None:
        """Make a call and hand each answer to `keep`, as they arrive; what `keep` raises ends the call.

        `sent`: the request, or an iterable of them where the method takes a stream. grpc.RpcError where the
        call fails, UnavailableError where the connection is closed under it.
        """
        reading = asyncio.run_coroutine_threadsafe(
            self._read(method, sent, keep, timeout, metadata), _loop_of_this_process()
        )
        try:
            reading.result()
        except CancelledError:
            raise _closed() from None
        finally:
            # Where the wait itself was interrupted, the call goes on otherwise.
            reading.cancel()

    def close(self) -> None:
        """End the calls under way; the next one connects anew."""
        loop = self._loop
        if loop is not None and loop is _LOOPS.get(os.getpid()):
            asyncio.run_coroutine_threadsafe(self._close(), loop)

    def cut(self) -> None:
        """Close for good."""
        self._cut = True
        self.close()

    async def _read(
        self, method: str, sent: Any, keep: Callable[[Any], None], timeout: float, metadata: Metadata
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._reading.add(task)
        try:
            call = getattr(self._opened(), method)(sent, timeout=timeout, metadata=metadata)
            try:
                async for answer in call:
                    keep(answer)
            finally:
                call.cancel()
        finally:
            self._reading.discard(task)

    def _opened(self) -> Any:
        if self._cut:
            raise _closed()
        if self._channel is None:
            self._loop, self._channel = asyncio.get_running_loop(), self._make()
            self._stub = self._kind(self._channel)
        return self._stub

    async def _close(self) -> None:
        channel, self._channel = self._channel, None
        for task in self._reading:
            task.cancel()
        if channel is not None:
            await channel.close()


def _closed() -> UnavailableError:
    error = UnavailableError("the connection was cut")
    error.reached = False
    return error


_LOCK = threading.Lock()
_LOOPS: dict[int, asyncio.AbstractEventLoop] = {}


def usable() -> bool:
    """False in a child of a process that read streams so: the thread of gRPC's poller stayed behind there."""
    return not _LOOPS or os.getpid() in _LOOPS


def _loop_of_this_process() -> asyncio.AbstractEventLoop:
    with _LOCK:
        process = os.getpid()
        if process not in _LOOPS:
            _LOOPS[process] = _begun()
        return _LOOPS[process]


def _begun() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="streams", daemon=True)
    thread.start()
    atexit.register(_end, loop, thread, os.getpid())
    return loop


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    if process == os.getpid():
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_SECONDS)


def _forked() -> None:
    global _LOCK
    # The parent's may be held by a thread that isn't here.
    _LOCK = threading.Lock()


os.register_at_fork(after_in_child=_forked)
