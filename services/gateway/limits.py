"""How much and how slowly anybody may send: requests a minute, bytes a body, and patience with a body."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_TENANTS = 10_000


class RateLimit:
    """A token bucket for each tenant: a minute's worth may come at once, then they come evenly.

    It counts within one process: several processes behind one address allow as many times more.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, tenant: str, per_minute: int | None = None) -> int:
        """0 where a request may pass, which then counts; else whole seconds until one may."""
        size = float(per_minute or self._per_minute)
        now = self._clock()
        left, seen = self._buckets.pop(tenant, (size, now))
        left = min(size, left + (now - seen) * size / 60)
        passes = left >= 1
        self._buckets[tenant] = (left - passes, now)
        while len(self._buckets) > _TENANTS:
            self._buckets.popitem(last=False)
        return 0 if passes else math.ceil((1 - left) * 60 / size)


@dataclass(slots=True)
class BodyWatch:
    """Patience with one body: waiting for it may take `grace` seconds and its size over `rate` at most."""

    grace: float
    rate: float
    received: int = 0
    waited: float = 0.0

    @property
    def left(self) -> float:
        """Seconds that the next piece may take; <= 0: it is too slow."""
        return self.grace + self.received / self.rate - self.waited

    def took(self, seconds: float, size: int) -> None:
        """A piece came."""
        self.waited += seconds
        self.received += size
