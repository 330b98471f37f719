"""Trainings as stored objects, each written once, so that a service that starts again finds them.

```
live-trainings/TENANT/ID        a training that has not ended (a small object)
t/TENANT/trainings/ID/order     what was ordered
t/TENANT/trainings/ID/cancelled asked for once
t/TENANT/trainings/ID/curve     its steps, JSON Lines, written before it ends
t/TENANT/trainings/ID/ended     how it ended, once
t/TENANT/newest/trainings/REVERSED  list of trainings, newest first
```
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from services.trainer.orders import settings_of, settings_values
from shared.domain.training import TrainingSettings, TrainingState
from shared.errors import DriftError, FieldError, NotFoundError
from shared.jobs.ids import is_id, turned, turned_back
from shared.store.base import Store, every_key

KIND = "train"
_LIVE = "live-trainings/"


@dataclass(frozen=True, slots=True)
class Ordered:
    """A training as it was ordered.

    Attributes:
        id, tenant: of the training. name: of the model that results. base: name of an allowed model.
        data: key of the rows in the store. data_digest: their sha256. created: seconds since the epoch.
        settings, arm, instruction, system: as in `shared.domain.training.TrainingOrder`.
    """

    id: str
    tenant: str
    name: str
    base: str
    data: str
    data_digest: str
    settings: TrainingSettings
    created: float
    arm: str | None = None
    instruction: str | None = None
    system: str | None = None

    @property
    def folder(self) -> str:
        """Where its objects stand; ends with a slash."""
        return f"t/{self.tenant}/trainings/{self.id}/"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a training ended, at `at` seconds since the epoch; `digest` and `adapter` of the model it left."""

    state: TrainingState
    at: float
    step: int = 0
    steps: int = 0
    tokens: int = 0
    error: str | None = None
    digest: str | None = None
    adapter: bool = False


class Records:
    """Reads and writes the objects of trainings. All methods block."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begun(self, asked: Ordered) -> Ordered | None:
        """The order that was accepted under the id of `asked`; None before.

        FieldError where that can be no id, DriftError where the order is another.
        """
        if not is_id(KIND, asked.id):
            raise FieldError(
                "id", f"is {asked.id[:80]!r}", f"give {KIND}- and 26 characters, or leave it out"
            )
        try:
            before = self.get(asked.tenant, asked.id)
        except NotFoundError:
            return None
        _check_same(before, asked)
        return before

    def accept(self, ordered: Ordered) -> bool:
        """Store an order; from then on it will be run. False where its id was accepted before."""
        self._store.put_if_absent(f"t/{ordered.tenant}/newest/trainings/{turned(ordered.id)}", b"")
        self._store.put_if_absent(f"{_LIVE}{ordered.tenant}/{ordered.id}", b"")
        told = {**asdict(ordered), "settings": settings_values(ordered.settings)}
        return self._store.put_if_absent(f"{ordered.folder}order", json.dumps(told).encode())

    def get(self, tenant: str, training: str) -> Ordered:
        """One training. NotFoundError where the name space has none of that id."""
        missing = NotFoundError(f"id: there is no training {training[:80]!r}")
        if not is_id(KIND, training):
            raise missing
        try:
            told: dict[str, Any] = json.loads(self._store.get(f"t/{tenant}/trainings/{training}/order"))
        except NotFoundError:
            raise missing from None
        return Ordered(**{**told, "settings": settings_of(told["settings"])})

    def live(self) -> Iterator[Ordered]:
        """All that have not ended, the oldest first; a torso that was never accepted is forgotten."""
        keys = sorted(every_key(self._store, _LIVE), key=lambda key: key.rpartition("/")[2])
        for key in keys:
            _, tenant, training = key.split("/")
            try:
                ordered = self.get(tenant, training)
            except NotFoundError:
                self._store.delete(key)
                continue
            if self.ended(ordered) is None:
                yield ordered
            else:
                self._store.delete(key)

    def page(self, tenant: str, size: int, token: str) -> tuple[list[Ordered], str]:
        """Trainings, newest first, and the token of the next page; empty on the last one."""
        prefix = f"t/{tenant}/newest/trainings/"
        after = prefix + token if token else ""
        keys = self._store.list(prefix, after=after, limit=size)
        found = []
        for key in keys:
            try:
                found.append(self.get(tenant, turned_back(KIND, key.removeprefix(prefix))))
            except NotFoundError:
                continue
        return found, keys[-1].removeprefix(prefix) if len(keys) == size else ""

    def cancel(self, ordered: Ordered) -> None:
        """Ask for its end."""
        self._store.put_if_absent(f"{ordered.folder}cancelled", b"")

    def cancelled(self, ordered: Ordered) -> bool:
        """Whether its end was asked for."""
        return self._store.exists(f"{ordered.folder}cancelled")

    def end(self, ordered: Ordered, ended: Ended, curve: bytes) -> None:
        """Say how it ended; the first word stands."""
        self._store.put_if_absent(f"{ordered.folder}curve", curve)
        self._store.put_if_absent(f"{ordered.folder}ended", json.dumps(asdict(ended)).encode())
        self._store.delete(f"{_LIVE}{ordered.tenant}/{ordered.id}")

    def ended(self, ordered: Ordered) -> Ended | None:
        """How it ended; None where it hasn't."""
        try:
            told = json.loads(self._store.get(f"{ordered.folder}ended"))
        except NotFoundError:
            return None
        return Ended(**{**told, "state": TrainingState(told["state"])})

    def curve(self, ordered: Ordered) -> bytes:
        """The steps of one that has ended, as JSON Lines."""
        return self._store.get(f"{ordered.folder}curve")


def _check_same(before: Ordered, asked: Ordered) -> None:
    was, now = (_flat(one) for one in (before, asked))
    changed = tuple(f"{name}: {was[name]!r} -> {now[name]!r}" for name in was if was[name] != now[name])
    if changed:
        raise DriftError(changed)


def _flat(ordered: Ordered) -> dict[str, Any]:
    """What has to be the same where an order is repeated."""
    told = {name: value for name, value in asdict(ordered).items() if name not in ("settings", "created")}
    named = {f"settings.{name}": value for name, value in settings_values(ordered.settings).items()}
    return {**told, **named}


def page_size(asked: int) -> int:
    """Trainings of a page. FieldError where so many can't be asked for."""
    if asked > 1000:
        raise FieldError("page_size", f"is {asked}", "ask for at most 1000")
    return asked or 100
