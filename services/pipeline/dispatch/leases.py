"""Leases in Redis: hints about who works on what. Correctness never rests on them."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from types import TracebackType

from redis import Redis, RedisError

from shared.jobs.layout import JobKey
from shared.jobs.nudge import PREFIX

_LOG = logging.getLogger(__name__)
LEASE_SECONDS = 20
QUEUED_SECONDS = 30
PREPARE = "prepare"
"""The part of a job that comes before its shards."""
_RENEWALS = 4
_HOST = socket.gethostname()
_RELEASE = """if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"""
_RENEW = """local held = redis.call('get', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[2]) return 1"""
_TAKE_OVER = """if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'EX', ARGV[3]) return 1"""


class Leases:
    """Who works on which part of a job; a part is a shard, or ``prepare``."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def take(self, key: JobKey, part: str) -> Lease | None:
        """The lease; None where a living worker holds it."""
        name, owner = _lease(key, part), f"{_HOST} {os.getpid()} {secrets.token_hex(8)}"
        self._redis.delete(_queued(key, part))
        if self._redis.set(name, owner, nx=True, ex=LEASE_SECONDS):
            return Lease(self._redis, name, owner)
        held = self._redis.get(name)
        if isinstance(held, bytes) and _is_dead(held):
            taken = self._redis.eval(_TAKE_OVER, 1, name, held, owner, str(LEASE_SECONDS))
            return Lease(self._redis, name, owner) if taken else None
        return None

    def is_free(self, key: JobKey, part: str) -> bool:
        """Whether nobody works on it and nobody is about to."""
        held, queued = self._redis.mget(_lease(key, part), _queued(key, part))
        return queued is None and not (isinstance(held, bytes) and not _is_dead(held))

    def is_held(self, key: JobKey, part: str) -> bool:
        """Whether a living worker holds it."""
        held = self._redis.get(_lease(key, part))
        return isinstance(held, bytes) and not _is_dead(held)

    def mark_queued(self, key: JobKey, part: str, seconds: int = QUEUED_SECONDS) -> bool:
        """Note that it is in a queue, or not to be queued for so long; False where that was noted before."""
        return bool(self._redis.set(_queued(key, part), b"1", nx=True, ex=seconds))


class Lease:
    """One lease, renewed by a thread as long as the context lasts."""

    def __init__(self, redis: Redis, name: str, owner: str) -> None:
        self._redis, self._name, self._owner = redis, name, owner
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        try:
            self._redis.eval(_RELEASE, 1, self._name, self._owner)
        except RedisError as lost:
            _LOG.warning("a lease could not be released (%s); it ends by itself", lost)

    def _keep(self) -> None:
        while not self._over.wait(LEASE_SECONDS / _RENEWALS):
            try:
                self._redis.eval(_RENEW, 1, self._name, self._owner, str(LEASE_SECONDS))
            except RedisError as lost:
                _LOG.warning("a lease could not be renewed (%s); the work goes on", lost)


def _lease(key: JobKey, part: str) -> str:
    return f"{PREFIX}lease:{key.tenant}/{key.job}/{part}"


def _queued(key: JobKey, part: str) -> str:
    return f"{PREFIX}queued:{key.tenant}/{key.job}/{part}"


def _is_dead(owner: bytes) -> bool:
    """Whether the owner was a process of this host that is gone; of other hosts nobody knows."""
    host, pid, _ = owner.decode().split(" ")
    if host != _HOST:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _is_zombie(int(pid))


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123 - read as often as a lease is looked at
            return stream.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return False
