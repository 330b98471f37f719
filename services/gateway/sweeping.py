"""Looks after open batches in the background, a few at the same time."""

from __future__ import annotations

import asyncio
import logging

from services.gateway.batches import BatchShelf, live_batches
from services.gateway.batchwork import BatchClerk
from services.gateway.house import House
from shared.errors import IdiolectError

_LOG = logging.getLogger(__name__)
_AT_ONCE = 4


class Sweeper:
    """Attends to every open batch now and then, and at once when it is woken."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._clerk = BatchClerk(house)
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._in_hand: dict[tuple[str, str], asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look now; may be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self) -> None:
        """Look until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            try:
                await self._look()
            except IdiolectError:
                _LOG.exception("open batches can't be listed now")
            try:
                async with asyncio.timeout(self._house.settings.sweep_seconds):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def _look(self) -> None:
        after = ""
        while found := await asyncio.to_thread(live_batches, self._house.store, after):
            for name in found:
                await self._take(name)
            after = "live-batches/" + "/".join(found[-1])

    async def _take(self, name: tuple[str, str]) -> None:
        while len(self._in_hand) >= _AT_ONCE:
            await asyncio.wait(self._in_hand.values(), return_when=asyncio.FIRST_COMPLETED)
        if name not in self._in_hand:
            task = asyncio.create_task(self._attend(*name))
            self._in_hand[name] = task
            task.add_done_callback(lambda _: self._in_hand.pop(name, None))

    async def _attend(self, tenant: str, batch: str) -> None:
        try:
            await asyncio.to_thread(self._clerk.attend, BatchShelf(self._house.store, tenant), batch)
        except IdiolectError:
            # The next look tries again; other batches must not wait for this one.
            _LOG.exception("batch %s can't be attended to now", batch)
