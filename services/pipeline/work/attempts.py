"""Attempts at a shard: each leaves an object, so that a shard which kills its workers is noticed."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence

from shared.errors import NotFoundError
from shared.jobs.layout import ShardId
from shared.jobs.order import JobOrder
from shared.store.base import Store, every_key

MOST_FRUITLESS = 3
_GIVEN_BACK = ".back"


class Attempts:
    """The attempts at one shard so far."""

    def __init__(self, store: Store, order: JobOrder, shard: ShardId) -> None:
        self._store = store
        self._folder = order.key.shard(shard, "attempts/")

    def begin(self, done: int) -> str:
        """Name of a new attempt, which finds `done` lines finished."""
        told = json.dumps({"done": done, "host": socket.gethostname(), "started": time.time()}).encode()
        number = len(self._begun(self._names())) + 1
        while not self._store.put_if_absent(f"{self._folder}{number:04d}", told):
            number += 1
        return f"{number:04d}"

    def give_back(self, attempt: str) -> None:
        """The attempt ended by itself, so it says nothing about the shard."""
        self._store.put_if_absent(f"{self._folder}{attempt}{_GIVEN_BACK}", b"")

    def fruitless(self, done: int) -> int:
        """How many attempts vanished since the last one that got further than `done` lines."""
        names = self._names()
        vanished = [name for name in self._begun(names) if name + _GIVEN_BACK not in names]
        count = 0
        for name in reversed(vanished):
            if self._found(name) != done:
                break
            count += 1
        return count

    def _names(self) -> list[str]:
        return [key.removeprefix(self._folder) for key in every_key(self._store, self._folder)]

    def _begun(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if not name.endswith(_GIVEN_BACK)]

    def _found(self, name: str) -> int | None:
        try:
            return int(json.loads(self._store.get(self._folder + name))["done"])
        except NotFoundError:
            return None
