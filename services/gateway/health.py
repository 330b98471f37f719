"""Looks whether the parts are there; each look has a time limit, and answers are kept for a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.errors import IdiolectError
from shared.jobs.layout import LIVE
from shared.rpc.channel import Target
from shared.store import Store

Look = Callable[[], Awaitable[str]]
TRAINER = "trainer"
_OK, _RESTS = "ok", "does not serve yet"
_LIMIT = 2.0
_KEPT = 1.0


def ready(parts: Mapping[str, str]) -> bool:
    """Whether work can be taken on, by what was found.

    Nothing but a training waits for the trainer. Where there is one, student and oracle may be asleep for it:
    jobs wait, and trainings are still followed.
    """
    trains = TRAINER in parts
    return all(said == _OK or (trains and said == _RESTS) for part, said in parts.items() if part != TRAINER)


class Probes:
    """All looks of a gateway, by the name of the part."""

    def __init__(self, looks: Mapping[str, Look]) -> None:
        self._looks = looks
        self._lock = asyncio.Lock()
        self._found: dict[str, str] = {}
        self._at = float("-inf")

    async def look(self) -> dict[str, str]:
        """``ok`` or what is wrong, for each part."""
        async with self._lock:
            if time.monotonic() - self._at > _KEPT:
                said = await asyncio.gather(*map(_limited, self._looks.values()))
                self._found = dict(zip(self._looks, said, strict=True))
                self._at = time.monotonic()
            return dict(self._found)


async def _limited(look: Look) -> str:
    try:
        async with asyncio.timeout(_LIMIT):
            return await look()
    except TimeoutError:
        return f"does not answer within {_LIMIT:g} s"


def store_look(store: Store) -> Look:
    """Whether the store can be listed."""

    async def look() -> str:
        try:
            await asyncio.to_thread(store.list, LIVE, "", 1)
        except IdiolectError as error:
            return str(error)
        return "ok"

    return look


def service_look(target: Target) -> Look:
    """Whether a gRPC service says that it serves."""

    async def look() -> str:
        async with target.channel() as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                said = await stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=_LIMIT)
            except grpc.aio.AioRpcError as error:
                return f"does not answer ({error.code().name})"
        serving = health_pb2.HealthCheckResponse.SERVING
        return _OK if said.status == serving else _RESTS

    return look


def redis_look(url: str) -> Look:
    """Whether Redis answers."""

    async def look() -> str:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        client = Redis.from_url(url, socket_timeout=_LIMIT, socket_connect_timeout=_LIMIT)
        try:
            await client.ping()
        except (RedisError, OSError) as error:
            return f"does not answer ({type(error).__name__})"
        finally:
            await client.aclose()
        return "ok"

    return look
