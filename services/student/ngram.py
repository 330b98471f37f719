"""An n-gram model over symbols (interpolated Kneser-Ney), with exact ranks at the price of a few look-ups."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

ORDER = 4
# Contexts of two and more symbols must have been seen this often to be kept.
KEPT = 2
# Share of the unigram mass spread evenly over the vocabulary.
FLOOR = 0.02
# Probabilities that differ by less than this share are ties, and ties share the better rank.
TIE = 1 + 1e-9

Context = tuple[int, ...]
Counts = dict[Context, dict[int, int]]


class Ngram:
    """A model fitted on sequences of symbol numbers in ``[0, size)``.

    A node is a context. `_prob` holds p(symbol | node) for the symbols seen after it, `_next` the node
    that follows, both keyed by ``node * size + symbol``. An unseen symbol has `_gamma` times the
    probability it has at the shorter context `_suffix`.
    """

    def __init__(self, sequences: Iterable[Sequence[int]], size: int) -> None:
        self.size = size
        self._prob: dict[int, float] = {}
        self._next: dict[int, int] = {}
        self._gamma: list[float] = []
        self._suffix: list[int] = []
        self._own: list[list[float]] = []
        self._back: list[list[float]] = []
        nodes = self._number_nodes(_kneser_ney(_count(sequences, size), size))
        self._start = nodes.get((size,), 0)
        self._link(nodes)

    def run(self, sequence: Sequence[int]) -> tuple[list[float], list[int]]:
        """Surprisal (nats) and rank (1-based, among all symbols) of each symbol in turn."""
        surprisals: list[float] = []
        ranks: list[int] = []
        node = self._start
        for symbol in sequence:
            chance = self._chance(node, symbol)
            surprisals.append(-math.log(chance))
            ranks.append(1 + self._likelier(node, chance))
            node = self._follow(node, symbol)
        return surprisals, ranks

    def distribution(self, context: Sequence[int]) -> list[float]:
        """p of every symbol after a context that begins a text."""
        node = self._start
        for symbol in context:
            node = self._follow(node, symbol)
        return [self._chance(node, symbol) for symbol in range(self.size)]

    def _chance(self, node: int, symbol: int) -> float:
        weight = 1.0
        while True:
            chance = self._prob.get(node * self.size + symbol)
            if chance is not None:
                return weight * chance
            weight *= self._gamma[node]
            node = self._suffix[node]

    def _follow(self, node: int, symbol: int) -> int:
        while True:
            following = self._next.get(node * self.size + symbol)
            if following is not None:
                return following
            if node == 0:
                return 0
            node = self._suffix[node]

    def _likelier(self, node: int, chance: float) -> int:
        """How many symbols are likelier than `chance` at the node.

        Seen symbols are counted in the node's own list; unseen ones are those that pass the raised bar at
        the shorter context, less the seen ones that would pass it there.
        """
        bar = chance * TIE
        own = self._own[node]
        count = len(own) - bisect_right(own, bar)
        while node:
            bar /= self._gamma[node]
            back = self._back[node]
            count -= len(back) - bisect_right(back, bar)
            node = self._suffix[node]
            own = self._own[node]
            count += len(own) - bisect_right(own, bar)
        return count

    def _number_nodes(self, counts: Counts) -> dict[Context, int]:
        """Give every context its node, short ones first, and compute its probabilities."""
        nodes: dict[Context, int] = {}
        discounts = _discounts(counts)
        for context in sorted(counts, key=lambda context: (len(context), context)):
            suffix = _longest(context[1:], nodes) if context else 0
            nodes[context] = len(nodes)
            self._suffix.append(suffix)
            if context:
                self._add_node(nodes[context], suffix, counts[context], discounts[len(context)])
            else:
                self._add_root(counts[context])
        return nodes

    def _add_root(self, following: dict[int, int]) -> None:
        total = sum(following.values())
        even = FLOOR / self.size
        own = [(1 - FLOOR) * following.get(s, 0) / total + even for s in range(self.size)]
        self._prob.update(enumerate(own))
        self._gamma.append(1.0)
        self._own.append(sorted(own))
        self._back.append([])

    def _add_node(self, node: int, suffix: int, following: dict[int, int], discount: float) -> None:
        total = sum(following.values())
        gamma = discount * len(following) / total
        back = {symbol: self._chance(suffix, symbol) for symbol in following}
        own = {s: (count - discount) / total + gamma * back[s] for s, count in following.items()}
        self._prob.update((node * self.size + symbol, chance) for symbol, chance in own.items())
        self._gamma.append(gamma)
        self._own.append(sorted(own.values()))
        self._back.append(sorted(back.values()))

    def _link(self, nodes: dict[Context, int]) -> None:
        for context, node in nodes.items():
            if context and context[-1] < self.size:
                before = nodes.get(context[:-1])
                if before is not None:
                    self._next[before * self.size + context[-1]] = node


def _longest(context: Context, nodes: dict[Context, int]) -> int:
    while context not in nodes:
        context = context[1:]
    return nodes[context]


def _count(sequences: Iterable[Sequence[int]], start: int) -> Counts:
    """How often each symbol follows each context of up to ORDER - 1 symbols; `start` opens a text."""
    counts: Counts = {(): {}}
    for sequence in sequences:
        padded = (start, *sequence)
        for place in range(1, len(padded)):
            symbol = padded[place]
            for length in range(min(ORDER - 1, place) + 1):
                following = counts.setdefault(padded[place - length : place], {})
                following[symbol] = following.get(symbol, 0) + 1
    return counts


def _kneser_ney(counts: Counts, start: int) -> Counts:
    """Short contexts count the different symbols before them, so that a fixed phrase counts once."""
    smooth: Counts = {(): {}}
    for context, following in counts.items():
        if len(context) >= 2 and sum(following.values()) < KEPT:
            continue
        if len(context) == ORDER - 1 or context[:1] == (start,):
            smooth[context] = following
    for context, following in counts.items():
        shorter = context[1:]
        if context and (len(shorter) < 2 or sum(counts[shorter].values()) >= KEPT):
            distinct = smooth.setdefault(shorter, {})
            for symbol in following:
                distinct[symbol] = distinct.get(symbol, 0) + 1
    return smooth


def _discounts(counts: Counts) -> list[float]:
    """Absolute discount by context length: n1 / (n1 + 2 n2), as Ney, Essen and Kneser estimate it."""
    ones, twos = [1] * ORDER, [1] * ORDER
    for context, following in counts.items():
        values = list(following.values())
        ones[len(context)] += values.count(1)
        twos[len(context)] += values.count(2)
    return [one / (one + 2 * two) for one, two in zip(ones, twos, strict=True)]
