"""Why a job stands still, as it is told in the job; a hint."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from shared.errors import NotFoundError
from shared.jobs.layout import JobKey
from shared.store.base import Store

QUEUE = "queue"
ENGINE = "engine"
RATE_LIMIT = "rate_limit"
CAUSES = (QUEUE, ENGINE, RATE_LIMIT)


@dataclass(frozen=True, slots=True)
class Stall:
    """A job in which nothing has moved.

    Attributes:
        cause: ``queue`` (no worker takes it), ``engine`` (a service is gone or does not answer) or
            ``rate_limit`` (a service is there and too busy).
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
