"""Takes a job in: its lines go into shards as they come, and the order goes last, which accepts the job."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from shared.errors import FieldError, IntegrityError
from shared.jobs.layout import JobKey
from shared.jobs.order import LINES_A_SHARD, JobOrder
from shared.store.base import Store


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

    def counted(some: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal count
        for line in some:
            count += 1
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
    would be lost.
    """
    store.put(order.key.live, b"")
    store.put(order.key.newest, b"")
    return store.put_if_absent(order.key.order, order.to_bytes())
