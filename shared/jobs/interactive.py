"""Requests whose sender waits: asked and answered through Redis, kept nowhere else.

A request that isn't answered in time is gone with its key; whoever wants it to last makes a job of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from shared.jobs.ids import new_id
from shared.jobs.nudge import INTERACTIVE, PREFIX, post, queued_arguments
from shared.jobs.order import Operation

TASK = "request.answer"
_BEYOND_SECONDS = 30
_TAKEN_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Asked:
    """Some lines, and what is to be done with them at once; `config` and `trace` as in a job's order."""

    operation: Operation
    config: Mapping[str, Any]
    lines: Sequence[bytes]
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the lines.

    Attributes:
        lines: (line from 1, outcome, record, error) each; of record and error one may be empty.
        problem, kind: why nothing became of them, and the class of that error.
    """

    lines: Sequence[tuple[int, str, bytes, bytes]] = ()
    problem: str | None = None
    kind: str | None = None


def ask(redis: Redis, asked: Asked, seconds: float) -> Answer | None:
    """The answer; None where none came in so many seconds. RedisError where Redis can't be reached."""
    number = new_id("ask")
    told = {
        "operation": asked.operation,
        "config": dict(asked.config),
        "lines": _texts(asked.lines),
        "trace": asked.trace,
    }
    with redis.pipeline(transaction=True) as pipe:
        pipe.set(_question(number), json.dumps(told), ex=int(seconds) + 1)
        post(pipe, TASK, [number], INTERACTIVE)
        pipe.execute()
    found = None
    try:
        found = _waited(redis, number, seconds)
    finally:
        # Whoever answers takes the question away.
        if found is None:
            redis.delete(_question(number))
    return None if found is None else _answer(json.loads(found))


def question(redis: Redis, number: str) -> Asked | None:
    """What is asked; None where nobody waits for it any more."""
    with redis.pipeline(transaction=True) as pipe:
        pipe.get(_question(number))
        pipe.set(_taken(number), b"1", ex=_TAKEN_SECONDS)
        found, _ = pipe.execute()
    if not isinstance(found, bytes):
        return None
    told = json.loads(found)
    lines = [base64.b64decode(line) for line in told["lines"]]
    return Asked(Operation(told["operation"]), told["config"], lines, told.get("trace"))


def answer(redis: Redis, number: str, answered: Answer) -> None:
    """Tell whoever waits."""
    lines = [[line, outcome, *_texts([record, error])] for line, outcome, record, error in answered.lines]
    told = json.dumps({"lines": lines, "problem": answered.problem, "kind": answered.kind})
    with redis.pipeline(transaction=True) as pipe:
        pipe.rpush(_place(number), told)
        pipe.expire(_place(number), _BEYOND_SECONDS)
        pipe.delete(_question(number))
        pipe.execute()


def _waited(redis: Redis, number: str, seconds: float) -> bytes | None:
    """Waits in pieces that are shorter than the client's own time limit; asks again what got lost."""
    left = seconds
    while left > 0:
        found = redis.blpop([_place(number)], timeout=min(left, 5.0))
        if found is None and _is_lost(redis, number):
            post(redis, TASK, [number], INTERACTIVE)
        if isinstance(found, list | tuple):
            return found[1] if isinstance(found[1], bytes) else found[1].encode()
        left -= 5.0
    return None


def _is_lost(redis: Redis, number: str) -> bool:
    """Whether the message went with a worker that was killed as it took it out of the queue."""
    return not redis.exists(_taken(number)) and [number] not in queued_arguments(redis, INTERACTIVE)


def _answer(told: Mapping[str, Any]) -> Answer:
    lines = [
        (line, outcome, base64.b64decode(record), base64.b64decode(error))
        for line, outcome, record, error in told["lines"]
    ]
    return Answer(lines, told["problem"], told["kind"])


def _texts(pieces: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(piece).decode("ascii") for piece in pieces]


def _question(number: str) -> str:
    return f"{PREFIX}question:{number}"


def _taken(number: str) -> str:
    return f"{PREFIX}taken:{number}"


def _place(number: str) -> str:
    return f"{PREFIX}answer:{number}"
