"""Takes a job in: its lines go into shards as they come, and the order goes last, which accepts the job."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from shared.errors import FieldError, IntegrityError, NotFoundError
from shared.jobs.layout import JobKey
from shared.jobs.order import LINES_A_SHARD, JobOrder
from shared.store.base import Store

_BEAT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What came in: number of lines and of shards, and the sha256 of all lines with their line breaks."""

    lines: int
    shards: int
    sha256: str


def take_in(store: Store, key: JobKey, lines: Iterable[bytes], lines_a_shard: int = LINES_A_SHARD) -> Taken:
    """Store lines (without their line breaks) as root shards, one line of input one line of a shard.

    Holds one line in memory. FieldError where there is no line at all; what was stored before an error stays
    until the collector of orphans finds that no order speaks of it.
    """
    whole = hashlib.sha256()
    count = 0
    source = iter(lines)

    beat = _Beat(store, key)

    def counted(some: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal count
        for line in some:
            count += 1
            beat.go_on()
            piece = line + b"\n"
            whole.update(piece)
            yield piece

    root = 0
    for first in source:
        shard = chain([first], islice(source, lines_a_shard - 1))
        if not store.put_if_absent(key.input(root), counted(shard)):
            raise IntegrityError(f"job {key.job} has a shard {root} already")
        root += 1
    if not count:
        raise FieldError("body", "holds no line", "send JSON Lines, one object a line")
    return Taken(count, root, whole.hexdigest())


def accept(store: Store, order: JobOrder) -> bool:
    """From now on the job is accepted and will end; False where its id is taken.

    The live object comes first: a job whose order is missing is an orphan, but one that nobody looks at
    would be lost. The collector says that it deletes before it looks for an order, and here the order is put
    before that is looked for: so at least one of the two sees the other.
    """
    store.put(order.key.live, b"")
    store.put(order.key.newest, b"")
    won = store.put_if_absent(order.key.order, order.to_bytes())
    if won and store.exists(order.key.deleted):
        store.delete(order.key.order)
        return False
    store.delete(order.key.incoming)
    return won


def discard(store: Store, key: JobKey) -> None:
    """Remove what was taken in for a job that was never accepted."""
    store.delete(key.live)
    store.delete(key.newest)
    store.delete_all(key.folder)
    store.delete(key.incoming)


def collect(store: Store, key: JobKey, older_than: float, now: float) -> bool:
    """Remove what was taken in for a job that wasn't accepted and did not grow for `older_than` seconds.

    Returns whether it did. From then on the job can't be accepted any more.
    """
    try:
        grew = float(store.get(key.incoming))
    except NotFoundError:
        return False
    if now - grew < older_than:
        return False
    known = store.exists(key.deleted)
    store.put(key.deleted, b"")
    if store.exists(key.order):
        if not known:
            store.delete(key.deleted)
        store.delete(key.incoming)
        return False
    discard(store, key)
    return True


class _Beat:
    """Says now and then that a job is still growing."""

    def __init__(self, store: Store, key: JobKey) -> None:
        self._store, self._key = store, key
        self._last = -_BEAT_SECONDS
        self._tell()

    def go_on(self) -> None:
        """It grew."""
        if time.monotonic() - self._last >= _BEAT_SECONDS:
            self._tell()

    def _tell(self) -> None:
        self._last = time.monotonic()
        self._store.put(self._key.incoming, repr(time.time()).encode())
