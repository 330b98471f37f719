"""Scores texts in batches that read what texts share only once.

N samples of one problem share its prompt, a repair shares all that comes before the repaired step, and every
conversation of a template shares its opening. Texts are laid out as a tree whose inner nodes are read first,
level by level; the leaves, sorted by length, go on from their keys and values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import torch

from services.inference.checkpoint import Checkpoint
from services.inference.encoding import token_spans
from services.inference.transformers.losses import Losses, losses
from services.inference.transformers.packed import packs, read_packed
from services.inference.transformers.pasts import Past, read
from shared.domain import Span, TokenScores
from shared.errors import FieldError

# Padded new tokens of one forward pass (or one long text). A processor is fastest while a layer's activations
# stay in its cache, an accelerator while it has much to do at once.
BATCH_TOKENS = {"cpu": 512, "other": 4096}
# With the pasts in front, a pass may be so many times as wide.
COLUMNS = 4
# Tokens of the texts that are laid out together, shared ones counted each time: it bounds the pasts that are
# held at once.
WINDOW_TOKENS = 16_384
# What is shared has to be this long to be worth a pass of its own.
SHARED = 12


@dataclass(frozen=True, slots=True)
class ScoreItem:
    """One text ready to be scored: prompt and text ids in a row, `first` the first of the text."""

    ids: list[int]
    first: int
    spans: tuple[Span, ...]


@dataclass(slots=True)
class Tally:
    """Prompt tokens asked for, and those that needn't be read again."""

    queries: int = 0
    hits: int = 0


@dataclass(slots=True, eq=False)
class _Node:
    """Tokens `start` .. `end` of its items, which go on from `parent`; a leaf belongs to one item.

    Scores are those of the tokens from `scored` on.
    """

    parent: _Node | None
    items: list[int]
    ids: list[int]
    start: int
    end: int
    scored: int
    depth: int
    leaf: bool
    past: Past = field(default_factory=Past)
    last: torch.Tensor | None = None
    scores: Losses = ([], [])

    @property
    def run(self) -> list[int]:
        """The ids to be read: the last token of a text predicts nothing that is asked for."""
        return self.ids[self.start : self.end - 1] if self.leaf else self.ids[self.start : self.end]


def prepare(checkpoint: Checkpoint, prompt: list[int], text: str) -> ScoreItem:
    """Raises FieldError for a text that doesn't fit the context together with its prompt."""
    ids, offsets = checkpoint.encode(text)
    length, context = len(prompt) + len(ids), checkpoint.context
    if length > context:
        problem = f"makes {length} tokens with its problem, more than the model's {context}"
        raise FieldError("text", problem, "shorten it or take a model with a longer context")
    return ScoreItem(prompt + ids, len(prompt), token_spans(offsets))


def score(
    checkpoint: Checkpoint, items: Sequence[ScoreItem], tally: Tally | None = None
) -> list[TokenScores]:
    """One result an item, in order. Who else is in the batch changes a score by less than 1e-4 nats."""
    results = [TokenScores((), (), ())] * len(items)
    for window in windows(items):
        chosen = [items[place] for place in window]
        for place, scores in zip(window, score_window(checkpoint, chosen, tally), strict=True):
            results[place] = scores
    return results


def windows(items: Sequence[ScoreItem]) -> list[list[int]]:
    """Places of the items that have tokens, like beginnings together, at most WINDOW_TOKENS a window."""
    places = sorted((place for place, item in enumerate(items) if item.spans), key=lambda p: items[p].ids)
    found: list[list[int]] = []
    room = 0
    for place in places:
        size = len(items[place].ids)
        if size > room:
            found.append([])
            room = WINDOW_TOKENS
        found[-1].append(place)
        room -= size
    return found


def score_window(
    checkpoint: Checkpoint, items: Sequence[ScoreItem], tally: Tally | None = None
) -> list[TokenScores]:
    """Scores of items that are laid out together, in order."""
    nodes: list[_Node] = []
    _grow(items, list(range(len(items))), None, nodes)
    size = BATCH_TOKENS["cpu" if checkpoint.device == "cpu" else "other"]
    with torch.inference_mode():
        for batch in _passes(nodes, size, packs(checkpoint)):
            _run(checkpoint, batch)
    if tally is not None:
        _count(tally, items, nodes)
    leaves = {node.items[0]: node for node in nodes if node.leaf}
    return [_collect(item, leaves[place]) for place, item in enumerate(items)]


def _grow(items: Sequence[ScoreItem], places: list[int], parent: _Node | None, nodes: list[_Node]) -> None:
    """Lay out items that share all tokens up to the end of `parent`."""
    start, depth = (parent.end, parent.depth + 1) if parent else (0, 0)
    for family in _families(items, places, start):
        ids, leaf = items[family[0]].ids, len(family) == 1
        end = len(ids) if leaf else _common(items, family, start)
        scored = max(start, min(items[place].first for place in family))
        node = _Node(parent, family, ids, start, end, scored, depth, leaf)
        nodes.append(node)
        if not leaf:
            _grow(items, family, node, nodes)


def _families(items: Sequence[ScoreItem], places: list[int], start: int) -> list[list[int]]:
    """Items that go on alike for SHARED tokens; everyone else is alone."""
    families: dict[tuple[int, ...], list[int]] = {}
    alone = []
    for place in places:
        key = tuple(items[place].ids[start : start + SHARED])
        if len(key) < SHARED:
            alone.append([place])
        else:
            families.setdefault(key, []).append(place)
    return [*families.values(), *alone]


def _common(items: Sequence[ScoreItem], places: list[int], start: int) -> int:
    """End of what all the items share."""
    texts = [items[place].ids for place in places]
    end, shortest = start + SHARED, min(map(len, texts))
    while end < shortest and all(text[end] == texts[0][end] for text in texts):
        end += 1
    return end


def _passes(nodes: list[_Node], size: int, packed: bool) -> Iterator[list[_Node]]:
    """Batches in an order in which a parent comes before its children, and leaves come last."""
    inner = [node for node in nodes if not node.leaf]
    for depth in range(1 + max((node.depth for node in inner), default=-1)):
        yield from _batches([node for node in inner if node.depth == depth], size, packed)
    yield from _batches([node for node in nodes if node.leaf], size, packed)


def _batches(nodes: list[_Node], size: int, packed: bool) -> Iterator[list[_Node]]:
    """Nodes of like length together, at most `size` tokens in one forward pass, with the padding if any."""
    batch: list[_Node] = []
    for node in sorted(nodes, key=lambda node: (len(node.run), node.start)):
        if batch and not _fits([*batch, node], size, packed):
            yield batch
            batch = []
        batch.append(node)
    if batch:
        yield batch


def _fits(batch: list[_Node], size: int, packed: bool) -> bool:
    if packed:
        return sum(len(node.run) for node in batch) <= size
    long, widest = max(len(node.run) for node in batch), max(node.start for node in batch)
    return len(batch) * long <= size and len(batch) * (widest + long) <= COLUMNS * size


def _run(checkpoint: Checkpoint, batch: list[_Node]) -> None:
    """Read and score the nodes of one batch; all are leaves or none is."""
    states = _read(checkpoint, [node for node in batch if node.run])
    before = [_before(node, states.get(id(node))) for node in batch]
    targets = [node.ids[node.scored : node.end] for node in batch]
    head = checkpoint.model.get_output_embeddings()
    found = [rows for rows in before if rows is not None]
    if found:
        surprisals, ranks = losses(head, torch.cat(found), list(chain.from_iterable(targets)))
        _deal(batch, surprisals, ranks)


def _read(checkpoint: Checkpoint, batch: list[_Node]) -> dict[int, torch.Tensor]:
    """Hidden states [tokens, width] by node; inner nodes keep their past and last state."""
    if not batch:
        return {}
    inner = not batch[0].leaf
    rows = [(node.parent.past if node.parent else Past(), node.run) for node in batch]
    reading = (read_packed if packs(checkpoint) else read)(checkpoint, rows, keep=inner)
    for place, node in enumerate(batch):
        if inner:
            node.past, node.last = reading.pasts[place], reading.states[place][len(node.run) - 1].clone()
    return {id(node): reading.states[place][: len(node.run)] for place, node in enumerate(batch)}


def _before(node: _Node, states: torch.Tensor | None) -> torch.Tensor | None:
    """The states that predict the scored tokens of a node: each stands one place before its token."""
    if node.scored >= node.end:
        return None
    own = None if states is None else states[max(0, node.scored - 1 - node.start) : node.end - 1 - node.start]
    if node.scored > node.start or node.parent is None or node.parent.last is None:
        return own
    begin = node.parent.last[None]
    return begin if own is None else torch.cat([begin, own])


def _deal(batch: list[_Node], surprisals: list[float], ranks: list[int]) -> None:
    """Give every node of a batch its own part of the scores."""
    start = 0
    for node in batch:
        end = start + max(0, node.end - node.scored)
        node.scores = surprisals[start:end], ranks[start:end]
        start = end


def _collect(item: ScoreItem, leaf: _Node) -> TokenScores:
    """Scores along the path to a leaf."""
    path = [leaf]
    while path[0].parent is not None:
        path.insert(0, path[0].parent)
    cuts = [max(0, item.first - node.scored) for node in path]
    surprisals = chain.from_iterable(node.scores[0][cut:] for node, cut in zip(path, cuts, strict=True))
    ranks = chain.from_iterable(node.scores[1][cut:] for node, cut in zip(path, cuts, strict=True))
    return TokenScores(item.spans, tuple(surprisals), tuple(ranks))


def _count(tally: Tally, items: Sequence[ScoreItem], nodes: list[_Node]) -> None:
    asked = sum(item.first for item in items)
    ran = sum(max(0, min(node.end, items[node.items[0]].first) - node.start) for node in nodes)
    tally.queries += asked
    tally.hits += asked - ran
