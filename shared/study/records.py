"""Studies as stored objects, so that whoever takes one in and whoever runs it meet in the store.

```
live-studies/TENANT/ID             a study that has not ended (a small object)
study-host                         who runs studies, when it was last there, which models it knows; rewritten
t/TENANT/studies/ID/order          what was ordered, written last: from then on the study is accepted
t/TENANT/studies/ID/inputs/FILE    a file of problems, copied
t/TENANT/studies/ID/cancelled      asked for once
t/TENANT/studies/ID/progress       how far it is; a hint, rewritten
t/TENANT/studies/ID/results/NAME   report.json, table.md, summary.json, report.html
t/TENANT/studies/ID/ended          how it ended, once
t/TENANT/newest/studies/REVERSED   list of studies, newest first
```
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.errors import FieldError, NotFoundError
from shared.jobs.ids import is_id, turned, turned_back
from shared.jobs.order import JobState
from shared.store.base import Store, every_key

KIND = "study"
RESULTS = {
    "report.json": "application/json",
    "table.md": "text/markdown; charset=utf-8",
    "summary.json": "application/json",
    "report.html": "text/html; charset=utf-8",
}
# A host that was not seen for so long is taken to be gone.
HOST_SECONDS = 30.0
_LIVE, _HOST = "live-studies/", "study-host"


@dataclass(frozen=True, slots=True)
class StudyOrdered:
    """A study as it was ordered: whose, its config as JSON, the uploaded files that the config names."""

    id: str
    tenant: str
    config: Mapping[str, Any]
    files: tuple[str, ...]
    created: float

    @property
    def folder(self) -> str:
        """Where its objects stand; ends with a slash."""
        return f"t/{self.tenant}/studies/{self.id}/"

    def input(self, file: str) -> str:
        """Where the copy of a file of problems is."""
        return f"{self.folder}inputs/{file}"


@dataclass(frozen=True, slots=True)
class StudyStage:
    """One stage: its name, tasks done of those known so far, and whether all of it is done."""

    name: str
    done: int = 0
    known: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class StudyEnd:
    """How a study ended, at `at` seconds since the epoch."""

    state: JobState
    at: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StudyHost:
    """Who runs studies: when it was last there, the names of models it allows, and what it works on."""

    seen: float
    models: tuple[str, ...]
    works_on: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether it was seen a moment ago."""
        return time.time() - self.seen < HOST_SECONDS


@dataclass(frozen=True, slots=True)
class StudyStanding:
    """A study as it stands; `waits` says why it doesn't move, as far as is known."""

    order: StudyOrdered
    state: JobState
    stages: tuple[StudyStage, ...] = ()
    end: StudyEnd | None = None
    waits: str | None = None
    results: tuple[str, ...] = field(default=())


class StudyRecords:
    """Reads and writes the objects of studies. All methods block."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def accept(self, ordered: StudyOrdered) -> None:
        """Store an order; from then on it will be run. One that was accepted before stays as it is."""
        if not self.store.exists(f"{ordered.folder}order"):
            # Of one that was deleted under this id, by somebody who was killed over it.
            self.store.delete(f"{ordered.folder}ended")
        self.store.put_if_absent(f"t/{ordered.tenant}/newest/studies/{turned(ordered.id)}", b"")
        self.store.put_if_absent(f"{_LIVE}{ordered.tenant}/{ordered.id}", b"")
        self.store.put_if_absent(f"{ordered.folder}order", _dumped(asdict(ordered)))

    def get(self, tenant: str, study: str) -> StudyOrdered:
        """One study. NotFoundError where the name space has none of that id."""
        missing = NotFoundError(f"study {study[:80]!r}: there is no such study")
        if not is_id(KIND, study):
            raise missing
        try:
            told = json.loads(self.store.get(f"t/{tenant}/studies/{study}/order"))
        except NotFoundError:
            raise missing from None
        return StudyOrdered(**{**told, "files": tuple(told["files"])})

    def remove(self, ordered: StudyOrdered) -> None:
        """Delete a study that has ended, with its files and results; FieldError where it goes on.

        Whoever is killed on the way leaves a study that can be deleted again.
        """
        if self.end(ordered) is None:
            raise FieldError("study", f"{ordered.id} has not ended", "cancel it and wait for its end")
        order, ended = f"{ordered.folder}order", f"{ordered.folder}ended"
        for key in list(every_key(self.store, ordered.folder)):
            if key not in (order, ended):
                self.store.delete(key)
        for key in (order, ended, f"t/{ordered.tenant}/newest/studies/{turned(ordered.id)}"):
            self.store.delete(key)

    def live(self) -> Iterator[StudyOrdered]:
        """All that have not ended, the oldest first."""
        keys = sorted(every_key(self.store, _LIVE), key=lambda key: key.rpartition("/")[2])
        for key in keys:
            _, tenant, study = key.split("/")
            try:
                ordered = self.get(tenant, study)
            except NotFoundError:
                # It is being taken in, or whoever took it in is gone; it weighs nothing.
                continue
            if self.end(ordered) is None:
                yield ordered
            else:
                self.store.delete(key)

    def page(self, tenant: str, after: str | None, limit: int) -> Iterator[StudyOrdered]:
        """At most `limit` studies behind that of the id `after`, newest first."""
        prefix = f"t/{tenant}/newest/studies/"
        last = prefix + turned(after) if after else ""
        while limit and (keys := self.store.list(prefix, last, limit)):
            last = keys[-1]
            for key in keys:
                try:
                    yield self.get(tenant, turned_back(KIND, key.removeprefix(prefix)))
                except NotFoundError:
                    continue
                limit -= 1

    def cancel(self, ordered: StudyOrdered) -> None:
        """Ask for its end."""
        self.store.put_if_absent(f"{ordered.folder}cancelled", b"")

    def cancelled(self, ordered: StudyOrdered) -> bool:
        """Whether its end was asked for."""
        return self.store.exists(f"{ordered.folder}cancelled")

    def tell(self, ordered: StudyOrdered, stages: tuple[StudyStage, ...]) -> None:
        """How far it is."""
        self.store.put(f"{ordered.folder}progress", _dumped([asdict(stage) for stage in stages]))

    def keep(self, ordered: StudyOrdered, name: str, content: bytes) -> None:
        """One of its results."""
        self.store.put_if_absent(f"{ordered.folder}results/{name}", content)

    def result(self, ordered: StudyOrdered, name: str) -> Iterator[bytes]:
        """Content of a result, in pieces. NotFoundError at the call where there is none."""
        return self.store.stream(f"{ordered.folder}results/{name}")

    def finish(self, ordered: StudyOrdered, end: StudyEnd) -> None:
        """Say how it ended; the first word stands."""
        self.store.put_if_absent(f"{ordered.folder}ended", _dumped(asdict(end)))
        self.store.delete(f"{_LIVE}{ordered.tenant}/{ordered.id}")

    def end(self, ordered: StudyOrdered) -> StudyEnd | None:
        """How it ended; None where it hasn't."""
        told = self._loaded(f"{ordered.folder}ended")
        return None if told is None else StudyEnd(**{**told, "state": JobState(told["state"])})

    def tell_host(self, host: StudyHost) -> None:
        """That somebody runs studies."""
        self.store.put(_HOST, _dumped(asdict(host)))

    def host(self) -> StudyHost | None:
        """Who ran studies last; None where nobody ever did."""
        told = self._loaded(_HOST)
        return None if told is None else StudyHost(**{**told, "models": tuple(told["models"])})

    def standing(self, ordered: StudyOrdered) -> StudyStanding:
        """The study as it stands."""
        told = self._loaded(f"{ordered.folder}progress") or []
        stages = tuple(StudyStage(**stage) for stage in told)
        if (end := self.end(ordered)) is not None:
            kept = tuple(RESULTS) if end.state is JobState.COMPLETED else ()
            return StudyStanding(ordered, end.state, stages, end, results=kept)
        state = JobState.RUNNING if stages else JobState.QUEUED
        if self.cancelled(ordered):
            state = JobState.CANCELLING
        return StudyStanding(ordered, state, stages, waits=self._waits(ordered))

    def _waits(self, ordered: StudyOrdered) -> str | None:
        host = self.host()
        if host is None or not host.is_there:
            return (
                "no host of studies is there; start one on this store: idiolect up --studies, "
                "or python -m services.embedded.studyhost"
            )
        if host.works_on not in (None, ordered.id):
            return "the host works on another study; they run one after the other"
        return None

    def _loaded(self, key: str) -> Any:
        try:
            return json.loads(self.store.get(key))
        except NotFoundError:
            return None


def _dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
