"""Judges the texts of an arm, and fixes the set of problems on which all arms stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.pipeline.refinement.worth import correctness
from services.pipeline.study.items import Item
from services.pipeline.study.makers.base import Batch, Made, Text
from services.pipeline.study.parts import Parts
from services.pipeline.study.sharing import Shared
from shared.domain import Correctness, Trajectory
from shared.text.segmentation import segment


def judged(parts: Parts, made: Made, shared: Sequence[Shared]) -> tuple[list[Item | None], list[Item]]:
    """The texts as items, for the shared problems in order and for further ones.

    An item whose answer isn't right counts as not made, unless the arm is the one without that filter.
    """
    natives = [one.native_sample.text.strip() for one in shared]
    items = [
        None if text is None else _item(parts, text, native)
        for text, native in zip(made.texts, natives, strict=True)
    ]
    extra = [replace(_item(parts, text, None), extra=True) for text in made.extra]
    if made.filtered:
        items = [item if item is not None and item.right else None for item in items]
        extra = [item for item in extra if item.right]
    return items, extra


def with_fallback(items: Sequence[Item | None], batch: Batch) -> list[Item | None]:
    """The native text where an arm that allows it made nothing."""
    if batch.arm.options.get("missing") != "native":
        return list(items)
    return [item or _item_of_native(batch.parts, one) for item, one in zip(items, batch.shared, strict=True)]


def before(parts: Parts, shared: Shared) -> float:
    """Correctness of the sample that refining arms edit; what benefit is counted from."""
    return _correctness(parts, shared.sampled.trajectory(shared.source))[1]


def placed(items: Sequence[Item | None], ids: Sequence[str]) -> list[Item]:
    """The items of these problems, in this order."""
    by_problem: Mapping[str, Item] = {item.problem: item for item in items if item is not None}
    return [by_problem[name] for name in ids]


def _item_of_native(parts: Parts, one: Shared) -> Item:
    native = one.native_sample.text.strip()
    return replace(_item(parts, Text(one.sampled.problem, native), native), fallback=True)


def _item(parts: Parts, text: Text, native: str | None) -> Item:
    problem = text.problem.problem
    trajectory = Trajectory(text.problem.id, 0, problem, text.text, segment(text.text))
    right, worth = _correctness(parts, trajectory)
    return Item(text.problem.id, problem.text, text.text, text.edited, text.preserved, right, worth, native)


def _correctness(parts: Parts, trajectory: Trajectory) -> tuple[bool, float]:
    verdict = parts.verifier.verify(trajectory.text, trajectory.problem.gold)
    diagnosis = parts.locator.locate(trajectory, verdict)
    return verdict.value is Correctness.CORRECT, correctness(verdict, diagnosis)
