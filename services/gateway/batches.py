"""Batches as the OpenAI API knows them: a file of requests becomes a job, and its results two files.

```
t/TENANT/batches/REVERSED/request    what was asked for, once
t/TENANT/batches/REVERSED/decision   the job that it became, once
t/TENANT/batches/REVERSED/refused    or what is wrong with its file, once
t/TENANT/batches/REVERSED/closed     which files hold its results, once
live-batches/TENANT/BATCH            it is neither refused nor closed
```
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from services.gateway.accepting import Decision
from shared.errors import NotFoundError
from shared.jobs.ids import is_id, turned, turned_back
from shared.jobs.layout import LIVE_BATCHES
from shared.jobs.order import JobOrder
from shared.store import Store, every_key

BATCH = "batch"


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A batch as it was asked for.

    `config` is that of its job, `created` in seconds since the epoch, `trace` that of the request as in an
    order.
    """

    id: str
    tenant: str
    input_file_id: str
    endpoint: str
    completion_window: str
    created: int
    config: Mapping[str, Any]
    metadata: Mapping[str, str] | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with a line of a batch's file, as OpenAI tells it."""

    code: str
    message: str
    line: int | None
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a batch failed before it began."""

    failed_at: int
    faults: Sequence[LineFault]
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """Where the results of a batch are; a file that would be empty isn't written."""

    ended: int
    output_file_id: str | None
    error_file_id: str | None
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class BatchShelf:
    """The batches of one store."""

    store: Store
    tenant: str

    def keep(self, request: BatchRequest) -> None:
        """Accept a batch: from now on it will be looked at."""
        self.store.put(f"{LIVE_BATCHES}{self.tenant}/{request.id}", b"")
        self.store.put_if_absent(self._key(request.id, "request"), _dumped(asdict(request)))

    def get(self, batch_id: str) -> BatchRequest:
        """The batch. NotFoundError where this tenant has none of that id."""
        missing = f"batch {batch_id[:80]!r}: there is no such batch"
        if not is_id(BATCH, batch_id):
            raise NotFoundError(missing)
        try:
            return BatchRequest(**json.loads(self.store.get(self._key(batch_id, "request"))))
        except NotFoundError:
            raise NotFoundError(missing) from None

    def page(self, after: str | None, limit: int) -> Iterator[BatchRequest]:
        """At most `limit` batches, newest first, older than the batch `after`."""
        folder = self._folder
        last = f"{folder}{turned(after)}0" if after else ""
        while limit and (keys := self.store.list(folder, last, 1)):
            place = keys[0].removeprefix(folder).split("/")[0]
            last = f"{folder}{place}0"
            try:
                yield self.get(turned_back(BATCH, place))
            except NotFoundError:
                continue
            limit -= 1

    def open(self) -> Iterator[BatchRequest]:
        """The batches about which something is left to do."""
        folder = f"{LIVE_BATCHES}{self.tenant}/"
        for key in every_key(self.store, folder):
            try:
                yield self.get(key.removeprefix(folder))
            except NotFoundError:
                continue

    def decision(self, batch_id: str) -> Decision:
        """Which job it became."""
        return Decision(self.store, self._key(batch_id, "decision"))

    def job(self, batch_id: str) -> JobOrder | None:
        """The job that it became; None before, and once that was deleted."""
        try:
            return self.decision(batch_id).made()
        except NotFoundError:
            return None

    def refuse(self, batch_id: str, refusal: Refusal) -> None:
        """It will not become a job."""
        self.store.put_if_absent(self._key(batch_id, "refused"), _dumped(asdict(refusal)))

    def refusal(self, batch_id: str) -> Refusal | None:
        """Why it became no job; None where it may."""
        found = self._read(batch_id, "refused")
        if found is None:
            return None
        faults = tuple(LineFault(**fault) for fault in found.pop("faults"))
        return Refusal(faults=faults, **found)

    def close(self, batch_id: str, closed: Closed) -> None:
        """Its results are written."""
        self.store.put_if_absent(self._key(batch_id, "closed"), _dumped(asdict(closed)))

    def closed(self, batch_id: str) -> Closed | None:
        """Where its results are; None before."""
        found = self._read(batch_id, "closed")
        return None if found is None else Closed(**found)

    def forget_live(self, batch_id: str) -> None:
        """Nothing is left to do about it."""
        self.store.delete(f"{LIVE_BATCHES}{self.tenant}/{batch_id}")

    def want_cancelled(self, batch_id: str) -> None:
        """Somebody asked for an early end."""
        self.store.put_if_absent(self._key(batch_id, "cancelled"), repr(time.time()).encode())

    def cancel_wanted(self, batch_id: str) -> int | None:
        """When somebody first asked for an early end; None where nobody did."""
        try:
            return int(float(self.store.get(self._key(batch_id, "cancelled"))))
        except NotFoundError:
            return None

    def _read(self, batch_id: str, part: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self.store.get(self._key(batch_id, part)))
        except NotFoundError:
            return None
        return found

    @property
    def _folder(self) -> str:
        return f"t/{self.tenant}/batches/"

    def _key(self, batch_id: str, part: str) -> str:
        return f"{self._folder}{turned(batch_id)}/{part}"


def live_batches(store: Store, after: str = "", limit: int = 1000) -> list[tuple[str, str]]:
    """(tenant, batch) of batches with something left to do about them."""
    keys = store.list(LIVE_BATCHES, after, limit)
    return [(tenant, batch) for _, tenant, batch in (key.split("/") for key in keys)]


def _dumped(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True).encode()
