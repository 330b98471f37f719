"""Chooses which records a page shows in full: a fixed number, whatever the size of the files.

Every file and outcome is served in turn, so that rare outcomes are seen; within one file and outcome a
digest of the place decides, never the content. The same files give the same choice.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

# What a reader comes for is served more often.
TURNS = {"repaired": 3, "regenerated": 3, "rejected": 2}

Entry = tuple[int, int, int]


@dataclass
class Choice:
    """At most `most` records by file and outcome, each kept as its file and its offset there."""

    most: int
    heaps: dict[tuple[int, str], list[Entry]] = field(default_factory=dict)

    def offer(self, file: int, outcome: str, number: int, offset: int) -> None:
        """Keep the record `number` of a file if it is among the first `most` of its kind by digest."""
        heap = self.heaps.setdefault((file, outcome), [])
        heapq.heappush(heap, (-rank(file, number), file, offset))
        if len(heap) > self.most:
            heapq.heappop(heap)

    def chosen(self, file: int) -> list[int]:
        """Offsets of the records to show of one file, ascending."""
        taken = zip(range(self.most), self._in_turn(), strict=False)
        return sorted(offset for _, (_, place, offset) in taken if place == file)

    def _in_turn(self) -> Iterator[Entry]:
        queues = {key: sorted(heap) for key, heap in sorted(self.heaps.items())}
        while any(queues.values()):
            for (_, outcome), queue in queues.items():
                for _ in range(TURNS.get(outcome, 1)):
                    if queue:
                        yield queue.pop()


def rank(file: int, number: int) -> int:
    """A number that looks random and depends on the place only; small ranks are taken first."""
    return int.from_bytes(hashlib.sha256(f"{file}:{number}".encode()).digest()[:8], "big")
