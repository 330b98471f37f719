"""Why a job waits or stands still: told in Redis at once, and in the job once it lasts; hints both."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from redis import Redis

from shared.errors import AsleepError, LimitedError, NotFoundError, StoreError, UnavailableError
from shared.jobs.layout import JobKey
from shared.jobs.nudge import PREFIX
from shared.store.base import Store

QUEUE = "queue"
ENGINE = "engine"
VERIFIER = "verifier"
RATE_LIMIT = "rate_limit"
STORE = "store"
TRAINING = "training"
CAUSES = (QUEUE, ENGINE, VERIFIER, RATE_LIMIT, TRAINING, STORE)
ORACLE = "oracle"
_WAITING_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Stall:
    """A job in which nothing has moved.

    Attributes:
        cause: ``queue`` (no worker takes it), ``engine`` (a language model, or the student, is gone or does
            not answer), ``verifier`` (the oracle can't be reached, or doesn't answer where no language model
            takes part), ``rate_limit`` (an engine takes no more calls for now), ``training`` (somebody has an
            engine's accelerator under a lease) or ``store`` (it can't be read or written).
        reason: in words. since: seconds since the epoch at which something last moved.
    """

    cause: str
    reason: str
    since: float


def tell(store: Store, key: JobKey, stall: Stall) -> None:
    """Write it into the job."""
    store.put(key.progress, json.dumps(asdict(stall)).encode())


def stall_of(store: Store, key: JobKey) -> Stall | None:
    """Why the job stands still; None where it doesn't, as far as is known."""
    try:
        return Stall(**json.loads(store.get(key.progress)))
    except NotFoundError:
        return None


def tell_wait(redis: Redis, key: JobKey, error: UnavailableError) -> None:
    """Say in Redis why work on the job waits; it is forgotten after a while. RedisError passes."""
    told = json.dumps([cause_of(error), str(error)[:400]])
    redis.set(_waits(key), told, ex=_WAITING_SECONDS)


def wait_of(redis: Redis, key: JobKey) -> tuple[str, str] | None:
    """Cause and reason of a wait a short while ago; None without one. RedisError passes."""
    told = redis.get(_waits(key))
    if not isinstance(told, bytes):
        return None
    cause, reason = json.loads(told)
    return cause, reason


def cause_of(error: UnavailableError) -> str:
    """Which cause an error speaks of."""
    for kind, cause in ((AsleepError, TRAINING), (LimitedError, RATE_LIMIT), (StoreError, STORE)):
        if isinstance(error, kind):
            return cause
    if error.service == ORACLE and (not error.reached or error.method == "Verify"):
        return VERIFIER
    return ENGINE


def _waits(key: JobKey) -> str:
    return f"{PREFIX}waits:{key.tenant}/{key.job}"
