"""The pulse of jobs: workers tell in Redis when something moved, and what they wait for."""

from __future__ import annotations

import json
import logging
import time

from redis import Redis, RedisError

from shared.errors import BusyError, UnavailableError
from shared.jobs.layout import JobKey
from shared.jobs.nudge import PREFIX
from shared.jobs.stall import ENGINE, QUEUE, RATE_LIMIT, Stall

_LOG = logging.getLogger(__name__)
_KEPT_SECONDS = 86_400
_WAITING_SECONDS = 30
_RARELY_SECONDS = 1.0


class Pulse:
    """What a worker says about one job; cheap to call after every line."""

    def __init__(self, redis: Redis, key: JobKey) -> None:
        self._redis, self._key = redis, key
        self._moved = self._waited = 0.0

    def moved(self) -> None:
        """Something was finished."""
        if time.monotonic() - self._moved >= _RARELY_SECONDS:
            self._moved = time.monotonic()
            self._set(_moved(self._key), str(time.time()), _KEPT_SECONDS)

    def waits(self, error: UnavailableError) -> None:
        """A call is tried again later, because of this."""
        if time.monotonic() - self._waited >= _RARELY_SECONDS:
            self._waited = time.monotonic()
            cause = RATE_LIMIT if isinstance(error, BusyError) else ENGINE
            self._set(_waits(self._key), json.dumps([cause, str(error)[:400]]), _WAITING_SECONDS)

    def _set(self, name: str, value: str, seconds: int) -> None:
        try:
            self._redis.set(name, value, ex=seconds)
        except RedisError as error:
            _LOG.warning("the pulse of job %s can't be told: %s", self._key.job, error)


class Listener:
    """Finds the jobs that stand still for longer than `patience` seconds."""

    def __init__(self, redis: Redis, patience: float) -> None:
        self._redis, self._patience = redis, patience

    def stall(self, key: JobKey, created: float, held: bool) -> Stall | None:
        """Why nothing moves in the job; None where something does. `held`: a worker is at it."""
        moved, waits = self._redis.mget(_moved(key), _waits(key))
        since = max(created, float(moved or 0))
        if time.time() - since < self._patience:
            return None
        if waits is not None:
            cause, reason = json.loads(waits)
            return Stall(cause, reason, since)
        if held:
            return Stall(ENGINE, "a worker waits for answers that don't come", since)
        return Stall(QUEUE, "no worker takes it", since)


def _moved(key: JobKey) -> str:
    return f"{PREFIX}moved:{key.tenant}/{key.job}"


def _waits(key: JobKey) -> str:
    return f"{PREFIX}waits:{key.tenant}/{key.job}"
