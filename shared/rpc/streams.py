"""Many items under way at once, results as they are ready, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def as_ready(
    items: AsyncIterator[Item], work: Callable[[Item], Awaitable[Result]], limit: int
) -> AsyncIterator[Result]:
    """Results of `work` on each item, in the order in which they are ready.

    At most `limit` items are under way or wait to be read, so a slow reader slows the source. The first error
    of an item or of the source ends it; closing it cancels all work.
    """
    ready: asyncio.Queue[asyncio.Task[Result] | None] = asyncio.Queue()
    places = asyncio.Semaphore(limit)
    tasks: set[asyncio.Task[Result]] = set()

    async def feed() -> None:
        async for item in items:
            await places.acquire()
            task = asyncio.ensure_future(work(item))
            tasks.add(task)
            task.add_done_callback(ready.put_nowait)

    feeder = asyncio.get_running_loop().create_task(feed())
    feeder.add_done_callback(lambda _: ready.put_nowait(None))
    try:
        while not feeder.done() or tasks:
            task = await ready.get()
            if task is None:
                feeder.result()
                continue
            tasks.discard(task)
            yield task.result()
            places.release()
    finally:
        feeder.cancel()
        for left in tasks:
            left.cancel()
        await asyncio.gather(feeder, *tasks, return_exceptions=True)
