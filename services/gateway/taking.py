"""Takes requests in that become jobs: claim, body, acceptance; and waits for small ones to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator

from starlette.requests import Request

from services.gateway.accepting import Claim, Wish, check_same, stored
from services.gateway.house import House
from shared.errors import BusyError
from shared.jobs.intake import accept
from shared.jobs.order import JobEnd, JobOrder

Cut = Callable[[Iterator[bytes]], Iterable[bytes]]
_FIRST_LOOK, _LONGEST_PAUSE = 0.01, 0.5


async def taken(house: House, request: Request, wish: Wish, cut: Cut, key: str | None) -> JobOrder:
    """The accepted job of a request, whose body `cut` makes lines of; the same one for the same `key`."""
    if key is None:
        return await house.intake.run(request, lambda chunks: fresh(house, wish, cut(chunks)))
    claim = Claim(house.store, wish.tenant, key, house.claims_seconds)
    order = await _decided(claim, house.settings.wait_seconds)
    if order is None:
        return await house.intake.run(request, lambda chunks: _claimed(house, claim, wish, cut, chunks))
    await house.intake.run(request, lambda chunks: check_same(order, wish, cut(chunks)))
    return order


def fresh(house: House, wish: Wish, lines: Iterable[bytes]) -> JobOrder:
    """A job of its own for these lines."""
    order = stored(house.store, wish, lines)
    accept(house.store, order)
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


def _claimed(house: House, claim: Claim, wish: Wish, cut: Cut, chunks: Iterator[bytes]) -> JobOrder:
    try:
        mine = stored(house.store, wish, cut(claim.tended(chunks)))
        order = claim.decision.settle(mine)
    except BaseException:
        claim.release()
        raise
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
