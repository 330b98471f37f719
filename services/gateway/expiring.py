"""Deletes files whose time is over, and content that never became a file."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence

from services.gateway.batches import BatchShelf
from services.gateway.files import Files
from services.gateway.house import House
from shared.errors import IdiolectError, NotFoundError
from shared.tenants import Promise

_LOG = logging.getLogger(__name__)
_DAY_SECONDS = 86_400.0


class FileCollector:
    """Looks through the files of all tenants now and then."""

    def __init__(self, house: House, tenants: Sequence[str], promises: Mapping[str, Promise]) -> None:
        """`promises` say how long files are kept; a tenant without one keeps them."""
        self._house, self._tenants, self._promises = house, tenants, promises
        self._nameless: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            try:
                await asyncio.to_thread(self.collect, time.time())
            except IdiolectError:
                _LOG.exception("files can't be collected now")
            await asyncio.sleep(self._house.settings.collect_seconds)

    def collect(self, now: float) -> int:
        """Delete what is to be deleted at `now`, in seconds since the epoch; returns how many."""
        return sum(self._of_tenant(tenant, now) for tenant in self._tenants)

    def _of_tenant(self, tenant: str, now: float) -> int:
        files = Files(self._house.store, tenant)
        days = self._promises.get(tenant, Promise()).retention_days
        oldest = float("-inf") if days is None else now - days * _DAY_SECONDS
        old = list(self._to_delete(files, oldest, now))
        # Asked for afterwards, so that a batch that came meanwhile keeps its file.
        needed = {batch.input_file_id for batch in BatchShelf(files.store, tenant).open()} if old else set()
        gone = [file_id for file_id in old if file_id not in needed]
        for file_id in gone:
            files.discard(file_id)
        return len(gone)

    def _to_delete(self, files: Files, oldest: float, now: float) -> Iterator[str]:
        for file_id in files.ids():
            try:
                is_old = files.get(file_id).created < oldest
                self._nameless.pop((files.tenant, file_id), None)
                if is_old:
                    yield file_id
            except NotFoundError:
                if self._is_orphan(files.tenant, file_id, now):
                    yield file_id

    def _is_orphan(self, tenant: str, file_id: str, now: float) -> bool:
        """Whether content has been without a name for long: between the two lies only a moment."""
        first = self._nameless.setdefault((tenant, file_id), now)
        return now - first >= self._house.settings.orphan_seconds
