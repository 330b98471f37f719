"""The pulse of jobs: workers tell in Redis when something moved, and what they wait for."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis, RedisError

from services.pipeline.dispatch.causes import cause_of_waiting
from shared.clients.under_way import Call
from shared.errors import UnavailableError
from shared.jobs.layout import JobKey
from shared.jobs.nudge import PREFIX
from shared.jobs.stall import ENGINE, QUEUE, Stall, tell_wait, wait_of

_LOG = logging.getLogger(__name__)
_KEPT_SECONDS = 86_400
_AWAITED_SECONDS = 10
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
            with self._forgiving():
                self._redis.set(_moved(self._key), str(time.time()), ex=_KEPT_SECONDS)

    def waits(self, error: UnavailableError) -> None:
        """A call is tried again later, because of this."""
        if time.monotonic() - self._waited >= _RARELY_SECONDS:
            self._waited = time.monotonic()
            with self._forgiving():
                tell_wait(self._redis, self._key, error)

    def awaits(self, call: Call, thinks: bool) -> None:
        """A call has been under way for a while. `thinks`: the oracle uses a language model."""
        told = [cause_of_waiting(call, thinks), f"the {call.service} does not answer {call.method}"]
        with self._forgiving():
            self._redis.set(_awaits(self._key), json.dumps(told), ex=_AWAITED_SECONDS)

    @contextmanager
    def _forgiving(self) -> Iterator[None]:
        """Goes on without Redis."""
        try:
            yield
        except RedisError as error:
            _LOG.warning("the pulse of job %s can't be told: %s", self._key.job, error)


class Listener:
    """Finds the jobs that stand still for longer than `patience` seconds."""

    def __init__(self, redis: Redis, patience: float) -> None:
        self._redis, self._patience = redis, patience

    def stall(self, key: JobKey, created: float, held: bool) -> Stall | None:
        """Why nothing moves in the job; None where something does. `held`: a worker is at it."""
        moved, awaits = self._redis.mget(_moved(key), _awaits(key))
        since = max(created, float(moved or 0))
        if time.time() - since < self._patience:
            return None
        if (waits := wait_of(self._redis, key)) is not None:
            return Stall(*waits, since)
        if awaits is not None:
            cause, reason = json.loads(awaits)
            return Stall(cause, reason, since)
        if held:
            return Stall(ENGINE, "a worker waits for answers that don't come", since)
        return Stall(QUEUE, "no worker takes it", since)


def _moved(key: JobKey) -> str:
    return f"{PREFIX}moved:{key.tenant}/{key.job}"


def _awaits(key: JobKey) -> str:
    return f"{PREFIX}awaits:{key.tenant}/{key.job}"
