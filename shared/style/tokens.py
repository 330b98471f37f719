"""Which tokens carry the loss, and which become more or less frequent by refinement."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Literal

from shared.domain import TokenScores
from shared.style.quarters import quarter_bounds

# More distinct tokens than this are not kept: the rarest are forgotten, so memory stays bounded.
CAPACITY = 50_000
Side = Literal["native", "refined"]


@dataclass(frozen=True, slots=True)
class TokenLoss:
    """A token's text, its number of occurrences and the sum of their surprisals (nats)."""

    token: str
    count: int
    nll: float


@dataclass(frozen=True, slots=True)
class TokenShift:
    """A token's share of all tokens in the native and in the refined texts, and its number in each."""

    token: str
    native: float
    refined: float
    native_count: int = 0
    refined_count: int = 0

    @property
    def change(self) -> float:
        """Refined minus native share."""
        return self.refined - self.native


@dataclass(slots=True)
class _Counts:
    """Occurrences and loss by token text, bounded in size."""

    total: int = 0
    count: dict[str, int] = field(default_factory=dict)
    nll: dict[str, float] = field(default_factory=dict)

    def add(self, token: str, surprisal: float) -> None:
        self.total += 1
        self.count[token] = self.count.get(token, 0) + 1
        self.nll[token] = self.nll.get(token, 0.0) + surprisal
        if len(self.count) > 2 * CAPACITY:
            self._forget()

    def _forget(self) -> None:
        kept = sorted(self.count, key=lambda token: (-self.count[token], token))[:CAPACITY]
        self.count = {token: self.count[token] for token in kept}
        self.nll = {token: self.nll[token] for token in kept}


class TokenTable:
    """Token statistics of a file of refinements, read once: add pairs, then ask.

    Tokens are told apart by their text. Up to 100,000 distinct tokens are counted exactly; beyond that
    the rarest are dropped now and then, and their later counts start anew.
    """

    def __init__(self) -> None:
        self._native = _Counts()
        self._refined = _Counts()
        self._openings: dict[Side, _Counts] = {"native": _Counts(), "refined": _Counts()}

    def add(self, native: TokenScores, native_text: str, refined: TokenScores, refined_text: str) -> None:
        """Take in one pair of texts with their scores."""
        _count(self._native, native, native_text, 0, len(native.spans))
        _count(self._refined, refined, refined_text, 0, len(refined.spans))
        _count_opening(self._openings["native"], native, native_text)
        _count_opening(self._openings["refined"], refined, refined_text)

    def opening_losses(self, top: int = 20, side: Side = "refined") -> list[TokenLoss]:
        """The tokens with the largest summed surprisal in the first quarter of one side's texts."""
        counts = self._openings[side]
        ranked = sorted(counts.nll, key=lambda token: (-counts.nll[token], token))[:top]
        return [TokenLoss(token, counts.count[token], counts.nll[token]) for token in ranked]

    def shifts(self, top: int = 20) -> list[TokenShift]:
        """The tokens whose share of all tokens changed most, largest change first."""
        tokens = self._native.count.keys() | self._refined.count.keys()
        return heapq.nsmallest(
            top, map(self._shift, tokens), key=lambda shift: (-abs(shift.change), shift.token)
        )

    def _shift(self, token: str) -> TokenShift:
        native, refined = self._native, self._refined
        counts = native.count.get(token, 0), refined.count.get(token, 0)
        return TokenShift(token, _share(native, token), _share(refined, token), *counts)


def _count(counts: _Counts, scores: TokenScores, text: str, start: int, end: int) -> None:
    for index in range(start, end):
        counts.add(scores.spans[index].of(text), scores.surprisals[index])


def _count_opening(counts: _Counts, scores: TokenScores, text: str) -> None:
    for start, end in quarter_bounds(len(scores.spans))[:1]:
        _count(counts, scores, text, start, end)


def _share(counts: _Counts, token: str) -> float:
    return counts.count.get(token, 0) / counts.total if counts.total else 0.0
