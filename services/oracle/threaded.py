"""Rules as parts of a service: the synchronous locators and rewriters, each call in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from shared.domain import Candidate, Diagnosis, Trajectory, Verdict
from shared.ports import Locator, Rewriter, RewriteRequest


@dataclass(frozen=True, slots=True)
class ThreadedLocator:
    """A `shared.ports.Locator` as a `services.oracle.base.ServedLocator`.

    Calls run in the event loop's thread pool. A call that is cancelled is no longer waited for; its thread
    ends with the diagnosis.
    """

    inner: Locator

    @property
    def name(self) -> str:
        """Name of the locator."""
        return self.inner.name

    async def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """What the locator says."""
        return await asyncio.to_thread(self.inner.locate, trajectory, verdict)


@dataclass(frozen=True, slots=True)
class ThreadedRewriter:
    """A `shared.ports.Rewriter` as a `services.oracle.base.ServedRewriter`.

    Candidates are made one by one, each when it is asked for. Closing the iterator waits for the candidate
    that is being made and stops there.
    """

    inner: Rewriter

    @property
    def name(self) -> str:
        """Name of the rewriter."""
        return self.inner.name

    async def propose(self, request: RewriteRequest) -> AsyncIterator[Candidate]:
        """What the rewriter proposes, in its order."""
        source = _Source(self.inner, request)
        try:
            while (candidate := await asyncio.to_thread(source.pull)) is not None:
                yield candidate
        finally:
            await asyncio.to_thread(source.close)


class _Source:
    """The rewriter's iterator, which must not be closed while another thread is in it."""

    def __init__(self, rewriter: Rewriter, request: RewriteRequest) -> None:
        self._rewriter, self._request = rewriter, request
        self._candidates: Iterator[Candidate] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def pull(self) -> Candidate | None:
        """The next candidate, None after the last one and once this is closed."""
        with self._lock:
            if self._closed:
                return None
            if self._candidates is None:
                self._candidates = iter(self._rewriter.propose(self._request))
            return next(self._candidates, None)

    def close(self) -> None:
        """Ends the iterator where it can be ended."""
        with self._lock:
            self._closed = True
            close = getattr(self._candidates, "close", None)
            if close is not None:
                close()
