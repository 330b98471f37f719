"""Serves what the artifact store says the student should serve, without a restart; every replica follows."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from services.inference.host import EngineHost
from shared.errors import IdiolectError
from shared.published import Serving, fetch, serving_of
from shared.store.base import Store

_LOG = logging.getLogger(__name__)


class Follower:
    """Looks into the store every few seconds, and has the host load what stands there.

    What can't be loaded now (the engine sleeps or changes, the store is gone) is tried again at the next
    look. A model that was loaded by hand stays until somebody says anew what is to be served.
    """

    def __init__(self, host: EngineHost, store: Store, folder: Path, seconds: float) -> None:
        """`folder` keeps the models' files; `seconds` are between two looks."""
        self._host, self._store = host, store
        self._folder, self._seconds = folder, seconds
        self._task: asyncio.Task[None] | None = None
        self.serving: Serving | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except (IdiolectError, OSError) as error:
                _LOG.warning("what is to be served can't be loaded yet: %s", error)
            await asyncio.sleep(self._seconds)

    async def _look(self) -> None:
        wanted = await asyncio.to_thread(serving_of, self._store)
        if wanted is None or wanted == self.serving:
            return
        # Asked first, so that nothing is fetched for an engine that isn't there yet.
        before = self._host.info.digest
        folder = await asyncio.to_thread(fetch, self._store, wanted.model, self._folder)
        if wanted.adapter:
            info = await self._host.adapt(before, str(folder))
        else:
            info = await self._host.load(before, str(folder))
        self.serving = wanted
        _LOG.info("serves %s@%s as %s", wanted.model.name, wanted.model.digest, info.digest)
