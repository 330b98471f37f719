"""Hands the accelerator over for a training: student and oracle sleep under leases that end by themselves.

A lease is renewed long before it ends. An engine that was started anew forgot it, and is given a new one.
If this process dies, the leases run out and the engines wake by themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import duration_pb2

from shared.errors import BusyError, IdiolectError, NotFoundError, StoppedError, UnavailableError
from shared.rpc.channel import Target
from shared.rpc.status import error_of

_LOG = logging.getLogger(__name__)
_RENEWALS = 3
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A service whose engine sleeps meanwhile: its name, ``student`` or ``oracle``, and where it is."""

    name: str
    target: Target


class Handover:
    """Puts all sleepers to sleep, one after the other, and wakes them again."""

    def __init__(self, sleepers: Sequence[Sleeper], lease_seconds: float = 60.0) -> None:
        self._sleepers = tuple(sleepers)
        self._seconds = lease_seconds

    @asynccontextmanager
    async def held(self, holder: str, give_up: Callable[[], bool]) -> AsyncIterator[None]:
        """The accelerator, while the block runs. StoppedError once `give_up` says so before it is there."""
        async with AsyncExitStack() as stack:
            for sleeper in self._sleepers:
                await stack.enter_async_context(_asleep(sleeper, holder, self._seconds, give_up))
            yield


@asynccontextmanager
async def _asleep(
    sleeper: Sleeper, holder: str, seconds: float, give_up: Callable[[], bool]
) -> AsyncIterator[None]:
    async with sleeper.target.channel() as channel:
        lease = _Lease(sleeper, _stub(sleeper.name, channel), holder, seconds)
        await lease.take(give_up)
        renewing = asyncio.create_task(lease.keep())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await lease.give_back()


class _Lease:
    """The lease on one engine."""

    def __init__(self, sleeper: Sleeper, stub: Any, holder: str, seconds: float) -> None:
        self._sleeper, self._stub, self._holder = sleeper, stub, holder
        self._seconds = seconds
        self._id: str | None = None

    async def take(self, give_up: Callable[[], bool]) -> None:
        """Ask until the engine sleeps: it may drain, load, or be asleep for another."""
        while not give_up():
            try:
                self._id = await self._ask(None)
                return
            except UnavailableError as error:
                _LOG.info("%s can't sleep yet: %s", self._sleeper.name, error)
                wait = error.retry_after if isinstance(error, BusyError) else _RETRY_SECONDS
                await asyncio.sleep(min(wait, _RETRY_SECONDS))
        raise StoppedError("stopped before the accelerator was free")

    async def keep(self) -> None:
        """Renew for as long as this runs."""
        while True:
            await asyncio.sleep(self._seconds / _RENEWALS)
            try:
                self._id = await self._renewed()
            except IdiolectError as error:
                _LOG.warning("the lease on %s could not be renewed: %s", self._sleeper.name, error)

    async def _renewed(self) -> str:
        """The lease, renewed; at once a new one where the engine no longer knows it."""
        try:
            return await self._ask(self._id)
        except NotFoundError:
            return await self._ask(None)

    async def give_back(self) -> None:
        """Wake the engine; where it can't be told, it wakes when the lease is over."""
        if self._id is None:
            return
        kinds = _messages(self._sleeper.name)
        try:
            await self._stub.Wake(kinds.WakeRequest(lease_id=self._id), timeout=self._seconds)
        except grpc.RpcError as failed:
            _LOG.warning("%s could not be woken: %s", self._sleeper.name, error_of(failed))

    async def _ask(self, lease: str | None) -> str:
        """The id of a lease that runs from now; `lease` is renewed, None takes a new one."""
        kinds = _messages(self._sleeper.name)
        ttl = duration_pb2.Duration()
        ttl.FromMilliseconds(int(self._seconds * 1000))
        asked = kinds.SleepRequest(holder=self._holder, ttl=ttl, lease_id=lease)
        try:
            answer = await self._stub.Sleep(asked)
        except grpc.RpcError as failed:
            raise error_of(failed, self._sleeper.target.address) from None
        return str(answer.lease_id)


def _messages(name: str) -> Any:
    if name == "student":
        from shared.rpc.generated.idiolect.student.v1 import student_pb2

        return student_pb2
    from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2

    return oracle_pb2


def _stub(name: str, channel: Any) -> Any:
    if name == "student":
        from shared.rpc.generated.idiolect.student.v1.student_pb2_grpc import StudentServiceStub

        return StudentServiceStub(channel)
    from shared.rpc.generated.idiolect.oracle.v1.oracle_pb2_grpc import OracleServiceStub

    return OracleServiceStub(channel)
