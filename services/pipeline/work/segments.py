"""Progress of a shard in the store: segments that outlive their attempt, and the results that they end in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.pipeline.work.lines import Line, packed, unpacked
from shared.errors import IntegrityError, NotFoundError
from shared.jobs.layout import ShardId
from shared.jobs.order import Fate, JobOrder, ShardOutcome
from shared.store.base import Store, every_key


def finished_lines(store: Store, order: JobOrder, shard: ShardId) -> dict[int, Line]:
    """Lines of the shard that earlier attempts finished, its own or those of the shards it was split from."""
    length = order.lines_of(shard.root)
    start, stop = shard.span(length)
    first = shard.root * order.lines_a_shard + 1
    found: dict[int, Line] = {}
    for ancestor in shard.lineage(length):
        for key in every_key(store, order.key.shard(ancestor, "segments/")):
            found |= {line.number: line for line in _intact(store, key)}
    return {number: found[number] for number in sorted(found) if first + start <= number < first + stop}


def _intact(store: Store, key: str) -> list[Line]:
    """Lines of one segment; none where it is gone or broken, and then they are worked again."""
    try:
        return unpacked(store.get(key))
    except (NotFoundError, IntegrityError):
        return []


@dataclass(slots=True)
class Segments:
    """Writes the segments of one attempt."""

    store: Store
    order: JobOrder
    shard: ShardId
    attempt: str
    _written: int = field(default=0)

    def write(self, lines: Iterable[Line]) -> None:
        """One more segment."""
        self._written += 1
        name = f"segments/{self._written:05d}.{self.attempt}"
        self.store.put_if_absent(self.order.key.shard(self.shard, name), packed(lines))


def outcome_of(
    store: Store, order: JobOrder, shard: ShardId, attempt: str, lines: Mapping[int, Line], fate: Fate
) -> ShardOutcome:
    """Writes results and errors of the attempt; the outcome that would make them count."""
    ordered = [lines[number] for number in sorted(lines)]
    records = (b"%d\t%s\n" % (line.number, line.record) for line in ordered if line.record)
    errors = (b"%d\t%s\n" % (line.number, line.error) for line in ordered if line.error)
    store.put_if_absent(order.key.shard(shard, f"results.{attempt}"), records)
    store.put_if_absent(order.key.shard(shard, f"errors.{attempt}"), errors)
    counts = Counter(line.outcome for line in ordered)
    return ShardOutcome(fate, attempt, dict(sorted(counts.items())))
