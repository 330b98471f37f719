"""A store that holds large jobs without holding them: shards are there because their number says so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from shared.jobs.layout import JobKey, ShardId
from shared.store.base import Payload
from shared.store.memory import MemoryStore


class PlannedStore(MemoryStore):
    """As a store in memory; of planned jobs the first `done` root shards are decided. Counts its calls.

    Args:
        outcome: what a decided shard's outcome holds. names: names of all objects of a decided shard.
    """

    def __init__(self, outcome: bytes, names: Sequence[str]) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self._outcome, self._names = outcome, sorted(names)
        self._done: dict[str, int] = {}

    def plan(self, key: JobKey, done: int) -> None:
        """So many root shards of the job are decided, from the first on."""
        self._done[key.shards] = done

    def get(self, key: str) -> bytes:
        """See Store."""
        self.calls["get"] += 1
        if self._is_planned(key):
            return self._outcome
        return super().get(key)

    def exists(self, key: str) -> bool:
        """See Store."""
        self.calls["exists"] += 1
        return self._is_planned(key) or super().exists(key)

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """See Store; within the shards of a planned job, or where none is."""
        self.calls["list"] += 1
        if prefix in self._done:
            return [*islice(self._planned(prefix, after), limit)]
        return super().list(prefix, after, limit)

    def put(self, key: str, data: Payload) -> None:
        """See Store."""
        self.calls["put"] += 1
        super().put(key, data)

    def _is_planned(self, key: str) -> bool:
        folder, _, rest = key.partition("/shards/")
        shard, _, name = rest.partition("/")
        done = self._done.get(f"{folder}/shards/", 0)
        return name in self._names and shard.isdigit() and int(shard) < done

    def _planned(self, folder: str, after: str) -> Iterator[str]:
        begin = re.match(r"\d+", after.removeprefix(folder))
        for root in range(int(begin[0]) if begin else 0, self._done[folder]):
            for name in self._names:
                if (key := f"{folder}{ShardId(root)}/{name}") > after:
                    yield key
