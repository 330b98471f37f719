"""Who may use an engine right now: calls come in and are counted until the gate is shut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import BusyError

RETRY_SECONDS = 5.0


class Gate:
    """Counts the calls inside. While it is shut, whoever comes gets BusyError with the reason."""

    def __init__(self) -> None:
        self._inside = 0
        self._reason: str | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Be inside for the length of a call."""
        if self._reason is not None:
            raise BusyError(self._reason, RETRY_SECONDS)
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    def shut(self, reason: str) -> None:
        """Let nobody in from now on; `reason` says what is going on."""
        self._reason = reason

    def open(self) -> None:
        """Let calls in again."""
        self._reason = None

    async def emptied(self) -> None:
        """Wait until the calls inside have ended."""
        await self._empty.wait()
