"""Prompts that were read lately, so that one which begins alike is read from where it differs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from services.inference.transformers.pasts import Past

# A shared beginning shorter than this is read again.
SHORTEST = 8


class PrefixCache:
    """Least recently used goes first; holds at most `room` tokens, 0 holds none."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._pasts: OrderedDict[tuple[int, ...], Past] = OrderedDict()

    def find(self, ids: Sequence[int]) -> Past:
        """The longest beginning of `ids` that is known; empty where none is."""
        best = max(self._pasts, key=lambda known: _common(known, ids), default=())
        length = _common(best, ids)
        if length < SHORTEST:
            return Past()
        self._pasts.move_to_end(best)
        return self._pasts[best].begin(length)

    def put(self, ids: Sequence[int], past: Past) -> None:
        """Remember a prompt; what it goes on from is forgotten, since it is part of it."""
        key = tuple(ids)
        if not SHORTEST <= len(key) <= self.room or any(known[: len(key)] == key for known in self._pasts):
            return
        for known in [known for known in self._pasts if key[: len(known)] == known]:
            del self._pasts[known]
        self._pasts[key] = past
        while sum(map(len, self._pasts)) > self.room:
            self._pasts.popitem(last=False)

    def clear(self) -> None:
        """Forget everything; other weights make other keys and values."""
        self._pasts.clear()


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))
