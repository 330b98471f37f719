"""Random choices that are the same on every machine and in every version of Python.

Only `Random.random` is promised never to change, so every choice is made from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of choices; equal keys give equal streams."""

    def __init__(self, *key: str | int) -> None:
        self._random = Random("/".join(map(str, key)))

    def below(self, limit: int) -> int:
        """A whole number in ``[0, limit)``."""
        return int(self._random.random() * limit)

    def between(self, low: int, high: int) -> int:
        """A whole number in ``[low, high]``."""
        return low + self.below(high - low + 1)

    def pick(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.below(len(values))]

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return self._random.random() < share
