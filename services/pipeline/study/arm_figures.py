"""What is known of an arm's texts: sums over cells, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from services.pipeline.study.cell import Cell
from services.pipeline.study.items import Item
from services.pipeline.study.stage_arms import arm_key
from services.pipeline.study.stage_sample import SHARE
from shared.style.perplexity import Loss

NOT_DISTINCT = 0.9
"""An arm with a larger share of texts identical to the native ones is marked 'not distinct'."""


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """Figures of one arm over all cells; NaN where unknown.

    Attributes:
        items: texts. extra: of them on further problems. fallback: share that is the native text for want
            of another. identical: share byte for byte the native text.
        ppl: perplexity under the start student, weighted by token. quarters: of the four quarters.
        rsr: rank-surprisal ratio. drift: nats a token minus the native arm's on the shared problems.
        cost: nats above the native band, a native token. benefit: correctness of the texts minus that of
            the samples that were to be edited. right: share with the right answer.
        preserved: mean preserved fraction of the texts that were made by editing.
        tokens: mean tokens a text. reward: mean reward.
    """

    items: int
    extra: int
    fallback: float
    identical: float
    ppl: float
    quarters: tuple[float, ...]
    rsr: float
    drift: float
    cost: float
    benefit: float
    right: float
    preserved: float
    tokens: float
    reward: float

    @property
    def distinct(self) -> bool:
        """Whether it differs from the native arm at all."""
        return self.identical <= NOT_DISTINCT


@dataclass(frozen=True, slots=True)
class _Lines:
    """One arm of one cell, item by item."""

    items: list[Item]
    scores: list[dict[str, Any]]
    rewards: list[float]
    before: dict[str, float]

    @classmethod
    def read(cls, cell: Cell, arm: str) -> _Lines:
        items = [Item.of(line) for line in cell.shelf.lines(arm_key(arm))]
        scores = list(cell.shelf.lines(f"scores/{arm}"))
        rewards = (
            [line["reward"] for line in cell.shelf.lines(f"rewards/{arm}")] if cell.config.reward else []
        )
        before = {line["id"]: line["before"] for line in cell.shelf.lines(SHARE)}
        return cls(items, scores, rewards, before)

    @property
    def shared(self) -> list[tuple[Item, dict[str, Any]]]:
        """Items on the shared problems with their scores."""
        pairs = zip(self.items, self.scores, strict=True)
        return [(item, score) for item, score in pairs if not item.extra]


def arm_figures(cells: Sequence[Cell], arm: str, native: str) -> ArmFigures:
    """The figures of `arm`, pooled over cells; `native` is the arm that it is compared with."""
    read = [_Lines.read(cell, arm) for cell in cells]
    own = [_Lines.read(cell, native) for cell in cells]
    items = [item for one in read for item in one.items]
    scores = [score for one in read for score in one.scores]
    shared = [pair for one in read for pair in one.shared]
    total, native_total = _loss(scores), _loss(score for one in own for _, score in one.shared)
    return ArmFigures(
        items=len(items),
        extra=sum(item.extra for item in items),
        fallback=_mean([float(item.fallback) for item in items]),
        identical=_mean([float(item.identical) for item, _ in shared]),
        ppl=total.perplexity,
        quarters=tuple(_quarter(scores, place).perplexity for place in range(4)),
        rsr=_rsr(scores),
        drift=_loss(score for _, score in shared).mean - native_total.mean,
        cost=_ratio(sum(score["excess"] for _, score in shared), native_total.tokens),
        benefit=_mean(
            [item.correctness - one.before[item.problem] for one in read for item, _ in one.shared]
        ),
        right=_mean([float(item.right) for item in items]),
        preserved=_mean([item.preserved for item in items if item.preserved is not None]),
        tokens=_ratio(total.tokens, len(items)),
        reward=_mean([reward for one in read for reward in one.rewards]),
    )


def shared_losses(cells: Sequence[Cell], arm: str) -> list[Loss]:
    """Sum and count of surprisals of each text on the shared problems, cell after cell, in their order."""
    return [Loss(score["nll"], score["tokens"]) for score in shared_scores(cells, arm)]


def shared_scores(cells: Sequence[Cell], arm: str) -> list[dict[str, Any]]:
    """The sums of each text on the shared problems, cell after cell, in their order."""
    return [score for cell in cells for _, score in _Lines.read(cell, arm).shared]


def _loss(scores: Iterable[dict[str, Any]]) -> Loss:
    return sum((Loss(score["nll"], score["tokens"]) for score in scores), Loss())


def _quarter(scores: Iterable[dict[str, Any]], place: int) -> Loss:
    return sum((Loss(*score["quarters"][place]) for score in scores), Loss())


def _rsr(scores: Sequence[dict[str, Any]]) -> float:
    return _ratio(sum(score["ranks"] for score in scores), sum(score["nll"] for score in scores))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else nan


def _ratio(above: float, below: float) -> float:
    return above / below if below else nan
