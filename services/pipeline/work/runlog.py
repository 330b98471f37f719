"""The run log of one attempt: rewritten in the store as it goes, and for the last time when it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from shared.jobs.attempted import Attempted
from shared.jobs.layout import ShardId
from shared.jobs.order import JobOrder
from shared.metering import Usage
from shared.store.base import Store


@dataclass
class RunLog:
    """What one attempt did and spent."""

    store: Store
    order: JobOrder
    shard: ShardId
    attempt: str
    _started: float = field(default_factory=time.time)
    _retries: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def retried(self, cause: str) -> None:
        """A call is tried again."""
        with self._lock:
            self._retries[cause] += 1

    def write(self, lines: int, usage: Usage, end: str | None = None) -> None:
        """Put it down; `end` says how the attempt ended."""
        with self._lock:
            retries = dict(sorted(self._retries.items()))
        told = Attempted(
            shard=str(self.shard),
            attempt=self.attempt,
            host=socket.gethostname(),
            started=self._started,
            told=time.time(),
            end=end,
            lines=lines,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            retries=retries,
        )
        self.store.put(self.order.key.shard(self.shard, f"log/{self.attempt}"), told.to_bytes())
