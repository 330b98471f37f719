"""Takes requests in that become jobs: claim, body, acceptance; and waits for small ones to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from starlette.requests import Request

from services.gateway.accepting import Claim, Wish, check_same, stored
from services.gateway.errors import HttpError
from services.gateway.files import Files
from services.gateway.house import House
from shared.errors import BusyError, UnavailableError
from shared.jobs.intake import accept
from shared.jobs.order import JobEnd, JobOrder
from shared.jobs.places import Place

Result = TypeVar("Result")
Cut = Callable[[Iterator[bytes]], Iterable[bytes]]
_FIRST_LOOK, _LONGEST_PAUSE = 0.01, 0.5


class Source(Protocol):
    """Where lines come from."""

    async def run(self, work: Callable[[Iterator[bytes]], Result]) -> Result:
        """What `work` makes of the pieces, in a thread."""
        ...


@dataclass(frozen=True, slots=True)
class FromBody:
    """The body of a request."""

    house: House
    request: Request

    async def run(self, work: Callable[[Iterator[bytes]], Result]) -> Result:
        """See Source."""
        return await self.house.intake.run(self.request, work)


@dataclass(frozen=True, slots=True)
class FromFile:
    """An uploaded file. NotFoundError where there is none."""

    files: Files
    file_id: str

    async def run(self, work: Callable[[Iterator[bytes]], Result]) -> Result:
        """See Source."""
        return await asyncio.to_thread(lambda: work(self.files.content(self.file_id)))


@dataclass(frozen=True, slots=True)
class FromPlace:
    """An object in S3 of at most `limit` bytes. NotFoundError where there is none, HttpError 413 beyond."""

    place: Place
    limit: int

    async def run(self, work: Callable[[Iterator[bytes]], Result]) -> Result:
        """See Source."""
        return await asyncio.to_thread(lambda: work(self._chunks()))

    def _chunks(self) -> Iterator[bytes]:
        size = 0
        for chunk in self.place.store().stream(self.place.name):
            size += len(chunk)
            if size > self.limit:
                text = f"input: {self.place} is longer than {self.limit} bytes; split it"
                raise HttpError(413, text, "body_too_large", param="input")
            yield chunk


async def taken(house: House, source: Source, wish: Wish, cut: Cut, key: str | None) -> JobOrder:
    """The accepted job of a source, of which `cut` makes lines; the same one for the same `key`."""
    if key is None:
        return await source.run(lambda chunks: fresh(house, wish, cut(chunks)))
    claim = Claim(house.store, wish.tenant, key, house.claims_seconds)
    order = await _decided(claim, house.settings.claim_patience_seconds)
    if order is None:
        return await _claimed(house, source, claim, wish, cut)
    await source.run(lambda chunks: check_same(order, wish, cut(chunks)))
    return order


def fresh(house: House, wish: Wish, lines: Iterable[bytes]) -> JobOrder:
    """A job of its own for these lines."""
    order = stored(house.store, wish, lines)
    if not accept(house.store, order):
        raise UnavailableError("what was sent was collected before it was accepted; send it again")
    house.announce(order)
    return order


async def _decided(claim: Claim, patience: float) -> JobOrder | None:
    """The job that the key stands for; None where the claim is held now and the body is to be taken in."""
    pause, until = _FIRST_LOOK, time.monotonic() + patience
    while True:
        order = await asyncio.to_thread(claim.decision.made)
        if order is not None or await asyncio.to_thread(claim.take):
            return order
        if time.monotonic() > until:
            raise BusyError("another request with this Idempotency-Key is still being taken in", 5.0)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _claimed(house: House, source: Source, claim: Claim, wish: Wish, cut: Cut) -> JobOrder:
    """The job of whoever holds the claim, which is let go of where nothing comes of it."""
    try:
        return await source.run(lambda chunks: _decide(house, claim, wish, cut(claim.tended(chunks))))
    except BaseException:
        await asyncio.shield(asyncio.to_thread(claim.release))
        raise


def _decide(house: House, claim: Claim, wish: Wish, lines: Iterable[bytes]) -> JobOrder:
    mine = stored(house.store, wish, lines)
    order = claim.decision.settle(mine)
    if order.key == mine.key:
        house.announce(order)
    else:
        check_digest(order, mine, wish)
    return order


def check_digest(order: JobOrder, mine: JobOrder, wish: Wish) -> None:
    """The job that came first must be the same as this one."""
    if order.digests != mine.digests:
        check_same(order, wish, ())


async def ended(house: House, order: JobOrder, patience: float) -> JobEnd | None:
    """How a job ended; None where it did not within `patience` seconds."""
    pause, until = _FIRST_LOOK, time.monotonic() + patience
    while True:
        end = await asyncio.to_thread(house.desk.end, order.key)
        if end is not None or time.monotonic() >= until:
            return end
        await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(2 * pause, _LONGEST_PAUSE)
