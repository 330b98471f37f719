"""Deletes what nobody needs any more: what dead writers left, jobs that were never accepted, and old jobs.

A job that is accepted and hasn't ended is never touched, however old it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.errors import IdiolectError, NotFoundError, UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.ids import is_id, new_id
from shared.jobs.intake import collect
from shared.jobs.layout import INCOMING, LIVE_BATCHES, JobKey
from shared.jobs.order import JobOrder
from shared.store import every_key
from shared.tenants import Promise

_LOG = logging.getLogger(__name__)
_DAY_SECONDS = 86_400.0
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Collected:
    """How many were deleted: unfinished writes, jobs that were never accepted, jobs whose time was over."""

    writes: int
    unaccepted: int
    expired: int


@dataclass(frozen=True, slots=True)
class Collector:
    """Collects in one store.

    Attributes:
        promises: of each tenant, which says how long its jobs are kept after their end.
        orphan_seconds: for which an unfinished write, or a job that was not accepted, must not have grown.
    """

    desk: JobDesk
    promises: Mapping[str, Promise]
    orphan_seconds: float

    def collect(self, now: float) -> Collected:
        """One look at everything; `now` in seconds since the epoch. UnavailableError: look again later.

        The store judges the age of unfinished writes by its own clock.
        """
        writes = self.desk.store.collect_orphans(self.orphan_seconds)
        unaccepted = sum(collect(self.desk.store, key, self.orphan_seconds, now) for key in self._incoming())
        expired = sum(self._expired(tenant, now) for tenant in self.promises)
        found = Collected(writes, unaccepted, expired)
        if found != Collected(0, 0, 0):
            _LOG.info("collected %s", found)
        return found

    def _incoming(self) -> Iterator[JobKey]:
        """Jobs that are being taken in. A batch is accepted before its job is, so that one may need it."""
        for name in every_key(self.desk.store, INCOMING):
            key = JobKey.of_live(name)
            if not self.desk.store.list(f"{LIVE_BATCHES}{key.tenant}/", limit=1):
                yield key

    def _expired(self, tenant: str, now: float) -> int:
        days = self.promises[tenant].retention_days
        if days is None:
            return 0
        oldest = now - days * _DAY_SECONDS
        return sum(self._is_removed(key, oldest) for key in self._older(tenant, oldest))

    def _older(self, tenant: str, oldest: float) -> Iterator[JobKey]:
        """Jobs that were made before."""
        after = new_id("job", max(0.0, oldest))
        while keys := self.desk.page(tenant, after, _PAGE):
            yield from keys
            after = keys[-1].job

    def _is_removed(self, key: JobKey, oldest: float) -> bool:
        """Delete the job if it ended before `oldest`; one that breaks here must not keep others."""
        try:
            order, end = self.desk.order(key), self.desk.end(key)
            if end is None or end.ended >= oldest or self._is_needed(order):
                return False
            self.desk.remove(order)
        except NotFoundError:
            self.desk.clear(key)
            return False
        except UnavailableError:
            raise
        except IdiolectError as error:
            _LOG.error("job %s can't be looked at: %s", key.job, error)
            return False
        return True

    def _is_needed(self, order: JobOrder) -> bool:
        """Whether a batch has still to write its files from it."""
        batch = order.labels.get("batch", "")
        live = f"{LIVE_BATCHES}{order.key.tenant}/{batch}"
        return is_id("batch", batch) and self.desk.store.exists(live)
