"""A character 6-gram of a student's texts: the simplest measure of style, and the rival of every other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

ORDER = 6
ALPHABET = 200
PRIOR = 1.5


class CharGram:
    """Mean surprisal of a text's characters, each order smoothed into the next shorter one."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._after: Counter[str] = Counter()
        self._context: Counter[str] = Counter()
        for text in texts:
            padded = "\n" + text
            for place in range(1, len(padded)):
                for length in range(min(ORDER - 1, place) + 1):
                    self._after[padded[place - length : place + 1]] += 1
                    self._context[padded[place - length : place]] += 1

    def mean(self, text: str) -> float:
        """Nats a character; 0 for an empty text."""
        padded = "\n" + text
        total = sum(-math.log(self._chance(padded, place)) for place in range(1, len(padded)))
        return total / max(1, len(text))

    def _chance(self, padded: str, place: int) -> float:
        chance = 1 / ALPHABET
        for length in range(min(ORDER - 1, place) + 1):
            seen = self._context[padded[place - length : place]]
            if not seen:
                break
            chance = (self._after[padded[place - length : place + 1]] + PRIOR * chance) / (seen + PRIOR)
        return chance
