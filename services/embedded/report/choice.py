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

Place = tuple[int, int]
Entry = tuple[int, Place, bytes]


@dataclass
class Choice:
    """At most `most` payloads, kept by file and outcome; memory is bounded by `most` payloads for each."""

    most: int
    heaps: dict[tuple[int, str], list[Entry]] = field(default_factory=dict)

    def wants(self, file: int, outcome: str, line: int) -> bool:
        """Whether a record could still be among the chosen."""
        heap = self.heaps.get((file, outcome), [])
        return self.most > 0 and (len(heap) < self.most or -rank(file, line) > heap[0][0])

    def offer(self, file: int, outcome: str, line: int, payload: bytes) -> None:
        """Keep a payload if it is among the first `most` of its file and outcome by digest."""
        heap = self.heaps.setdefault((file, outcome), [])
        heapq.heappush(heap, (-rank(file, line), (file, line), payload))
        if len(heap) > self.most:
            heapq.heappop(heap)

    def chosen(self) -> list[bytes]:
        """The payloads to show, in the order of files and lines."""
        taken = [entry for entry, _ in zip(self._in_turn(), range(self.most), strict=False)]
        return [payload for _, _, payload in sorted(taken, key=lambda entry: entry[1])]

    def _in_turn(self) -> Iterator[Entry]:
        queues = {key: sorted(heap) for key, heap in sorted(self.heaps.items())}
        while any(queues.values()):
            for (_, outcome), queue in queues.items():
                for _ in range(TURNS.get(outcome, 1)):
                    if queue:
                        yield queue.pop()


def rank(file: int, line: int) -> int:
    """A number that looks random and depends on the place only; small ranks are taken first."""
    return int.from_bytes(hashlib.sha256(f"{file}:{line}".encode()).digest()[:8], "big")
