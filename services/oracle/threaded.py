"""Rules as parts of a service: the synchronous locators and rewriters, each call in a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from shared.domain import Candidate, Diagnosis, Trajectory, Verdict
from shared.ports import Locator, Rewriter, RewriteRequest

MOMENT = 0.0005
"""Seconds for which candidates are gathered before they are handed on."""


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

    Candidates are made when they are asked for: one, and with it those that take no more than a moment, since
    going to a thread and back takes longer than most of them. Closing the iterator waits for the candidate
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
            while not source.ended:
                for candidate in await asyncio.to_thread(source.pull):
                    yield candidate
        finally:
            if not source.ended:
                await asyncio.to_thread(source.close)


class _Source:
    """The rewriter's iterator, which must not be closed while another thread is in it.

    `ended`: there is nothing more to be had, and nothing to be let go of.
    """

    def __init__(self, rewriter: Rewriter, request: RewriteRequest) -> None:
        self._rewriter, self._request = rewriter, request
        self._candidates: Iterator[Candidate] | None = None
        self._broken: Exception | None = None
        self._lock = threading.Lock()
        self.ended = False

    def pull(self) -> list[Candidate]:
        """The next candidates, those of a moment; none only after the last one, or once this is closed."""
        with self._lock:
            if self.ended:
                return []
            if self._broken is not None:
                self.ended = True
                raise self._broken
            if self._candidates is None:
                self._candidates = iter(self._rewriter.propose(self._request))
            return self._of_a_moment(self._candidates)

    def _of_a_moment(self, candidates: Iterator[Candidate]) -> list[Candidate]:
        found: list[Candidate] = []
        until = time.monotonic() + MOMENT
        try:
            for candidate in candidates:
                found.append(candidate)
                if time.monotonic() >= until:
                    return found
        except Exception as error:
            if not found:
                raise
            # What came before it is worth something; the error comes when more is asked for.
            self._broken = error
            return found
        self.ended = True
        return found

    def close(self) -> None:
        """Ends the iterator where it can be ended."""
        with self._lock:
            close = getattr(self._candidates, "close", None)
            if close is not None and not self.ended:
                close()
            self.ended = True
