"""Whose turn it is: round robin over tenants, and over the jobs of each, remembered in Redis as a hint."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from redis import Redis

from shared.jobs.layout import JobKey
from shared.jobs.nudge import PREFIX

_TURNS = f"{PREFIX}turns"
_COUNT = f"{PREFIX}turn"
_MOST_REMEMBERED = 10_000


class Turns:
    """Who was served how long ago."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def in_order(self, keys: Sequence[JobKey]) -> list[JobKey]:
        """The jobs, first the one that waits longest of the tenant that waits longest."""
        names = [*{key.tenant for key in keys}, *(_job(key) for key in keys)]
        served = dict(zip(names, self._scores(names), strict=True))
        return sorted(keys, key=lambda key: (served[key.tenant], served[_job(key)], key))

    def waits_longer(self, tenant: str, others: Collection[str]) -> bool:
        """Whether a tenant was served before each of the others was."""
        own, *theirs = self._scores([tenant, *others])
        return all(own < score for score in theirs)

    def took(self, key: JobKey) -> None:
        """It was this job's turn."""
        now = self._redis.incr(_COUNT)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(_TURNS, {key.tenant: now, _job(key): now})
            pipe.zremrangebyrank(_TURNS, 0, -_MOST_REMEMBERED)
            pipe.execute()

    def _scores(self, names: Sequence[str]) -> list[float]:
        scores = self._redis.zmscore(_TURNS, [*names]) if names else []
        return [float(score or 0) for score in scores]


def _job(key: JobKey) -> str:
    return f"{key.tenant}/{key.job}"
