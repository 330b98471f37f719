"""Does the upkeep of a host in a thread of its own, so that nobody who is slow keeps work waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from redis import RedisError

from shared.errors import IdiolectError

_LOG = logging.getLogger(__name__)


@dataclass
class Chore:
    """What is done every `seconds`; it is given the time in seconds since the epoch."""

    name: str
    seconds: float
    work: Callable[[float], object]
    following: float = 0.0


@contextmanager
def kept(chores: Sequence[Chore]) -> Iterator[None]:
    """Does chores as long as the context lasts; one that is under way then is waited for."""
    over = threading.Event()
    thread = threading.Thread(target=_keep, args=(chores, over), name="upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _keep(chores: Sequence[Chore], over: threading.Event) -> None:
    shortest = min(chore.seconds for chore in chores)
    while not over.wait(shortest):
        for chore in chores:
            if time.monotonic() >= chore.following:
                _done(chore)
                chore.following = time.monotonic() + chore.seconds


def _done(chore: Chore) -> None:
    """What goes wrong is tried again when it is its turn again."""
    try:
        chore.work(time.time())
    except (IdiolectError, RedisError) as error:
        _LOG.warning("%s waits: %s", chore.name, error)
