"""Hints through Redis: nothing is lost with them, because the store is looked through again and again.

A message of a task is what Celery's protocol 2 asks for, as its Redis transport lays it into a list; so
whoever sends one needs no Celery.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Sequence
from typing import Any

from redis import Redis

from shared.jobs.layout import JobKey

PREFIX = "idiolect:"
NUDGES = f"{PREFIX}nudges"
BULK = "bulk"
INTERACTIVE = "interactive"
_MOST_NUDGES = 1000
_POSTED = "idiolect_posted"
_NUDGE_SECONDS = 3600


def connected(url: str) -> Redis:
    """A client with a time limit on everything that it does; connects when it is first used."""
    return Redis.from_url(
        url,
        socket_timeout=15.0,
        socket_connect_timeout=5.0,
        socket_keepalive=True,
        health_check_interval=30,
    )


def nudge(redis: Redis, key: JobKey | None = None) -> None:
    """Let somebody look now for work that can be given out; `key` names a job in which something ended."""
    named = b"" if key is None else f"{key.tenant}/{key.job}".encode()
    with redis.pipeline(transaction=False) as pipe:
        pipe.lpush(NUDGES, named)
        pipe.ltrim(NUDGES, 0, _MOST_NUDGES)
        pipe.expire(NUDGES, _NUDGE_SECONDS)
        pipe.execute()


def await_nudges(redis: Redis, seconds: float) -> set[JobKey] | None:
    """Wait for a nudge, at most so long; takes all that are there. The jobs they name; None without one."""
    first = redis.blpop([NUDGES], timeout=seconds)
    if first is None:
        return None
    with redis.pipeline(transaction=True) as pipe:
        pipe.lrange(NUDGES, 0, -1)
        pipe.delete(NUDGES)
        others, _ = pipe.execute()
    named = [name.decode() for name in (first[1], *others) if name]
    return {JobKey(*name.split("/")) for name in named}


def queue_key(queue: str) -> str:
    """The list of a queue."""
    return f"{PREFIX}{queue}"


def post(redis: Redis, task: str, arguments: Sequence[str], queue: str, *, first: bool = False) -> None:
    """Put a task, called by its name with ids, into a queue; `first`: before all that wait there."""
    push = redis.rpush if first else redis.lpush
    push(queue_key(queue), json.dumps(_message(task, list(arguments), queue)))


def queued_arguments(redis: Redis, queue: str) -> list[list[str]]:
    """The arguments of each message that waits in a queue."""
    found = redis.lrange(queue_key(queue), 0, -1)
    messages = found if isinstance(found, list) else []
    return [json.loads(base64.b64decode(json.loads(message)["body"]))[0] for message in messages]


def oldest_age(redis: Redis, queue: str) -> float:
    """Seconds for which the message that comes next has waited; 0 where none does."""
    message = redis.lindex(queue_key(queue), -1)
    if message is None:
        return 0.0
    posted = json.loads(message).get("headers", {}).get(_POSTED)
    return max(0.0, time.time() - posted) if isinstance(posted, float) else 0.0


def _message(task: str, arguments: list[str], queue: str) -> dict[str, Any]:
    number = str(uuid.uuid4())
    body = json.dumps([arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    return {
        "body": base64.b64encode(body.encode()).decode("ascii"),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": task,
            "id": number,
            "root_id": number,
            "retries": 0,
            _POSTED: time.time(),
        },
        "properties": {
            "correlation_id": number,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
