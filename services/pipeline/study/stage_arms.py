"""Stage ``arms``: each arm's texts on exactly the shared problems, in equal numbers."""

from __future__ import annotations

from typing import Any

from services.pipeline.study.cell import Cell
from services.pipeline.study.drafts import judged, placed, with_fallback
from services.pipeline.study.items import Item, Sampled
from services.pipeline.study.makers.base import Batch
from services.pipeline.study.makers.every import MAKE
from services.pipeline.study.sharing import Shared, matched, unsolved
from services.pipeline.study.stage_sample import SHARE
from shared.errors import InputError
from shared.study.config import ArmSettings

MATCHED = "matched"


def arms(cell: Cell, sampled: list[Sampled], shared: list[Shared]) -> dict[str, list[Item]]:
    """Items by arm; arms whose point that is hold further problems behind the shared ones."""
    for arm in cell.config.arms:
        _draft(cell, arm, sampled, shared)
    ids = _matched(cell, shared)
    return {arm.name: _items(cell, arm, ids) for arm in cell.config.arms}


def draft_key(arm: str) -> str:
    """Piece of the texts that an arm's maker made, before the arms are matched."""
    return f"drafts/{arm}"


def arm_key(arm: str) -> str:
    """Piece of an arm's items."""
    return f"arms/{arm}"


def _draft(cell: Cell, arm: ArmSettings, sampled: list[Sampled], shared: list[Shared]) -> None:
    key, made_of = draft_key(arm.name), {"share": cell.digest(SHARE), **cell.arm_identity(arm)}
    if cell.shelf.has(key, made_of):
        return
    batch = Batch(
        arm=arm,
        shared=shared,
        failed=unsolved(sampled),
        sampled=sampled,
        parts=cell.parts,
        student=cell.student,
        sampling=cell.config.sampling,
        template=cell.template,
        seed=cell.draw,
        native=cell.config.native,
    )
    items, extra = judged(cell.parts, MAKE[arm.maker](batch), shared)
    whole = with_fallback(items, batch)
    lines: list[dict[str, Any]] = [{"item": item.to_json() if item else None} for item in whole]
    cell.shelf.keep(key, made_of, [*lines, *({"item": item.to_json()} for item in extra)])


def _matched(cell: Cell, shared: list[Shared]) -> list[str]:
    """Ids of the problems for which every arm has a text, at most `count`, in the order of the draw."""
    keys = [draft_key(arm.name) for arm in cell.config.arms]
    made_of = {"count": cell.config.count, **{key: cell.digest(key) for key in keys}}
    if not cell.shelf.has(MATCHED, made_of):
        made = [_made(cell, key)[: len(shared)] for key in keys]
        ids = matched([one.id for one in shared], made, cell.config.count)
        if not ids:
            told = ", ".join(f"{key} {sum(column)}" for key, column in zip(keys, made, strict=True))
            raise InputError(f"no problem has a text in every arm (texts: {told}); leave an arm out")
        cell.shelf.keep(MATCHED, made_of, [{"id": name} for name in ids])
    return [line["id"] for line in cell.shelf.lines(MATCHED)]


def _made(cell: Cell, key: str) -> list[bool]:
    return [line["item"] is not None for line in cell.shelf.lines(key)]


def _items(cell: Cell, arm: ArmSettings, ids: list[str]) -> list[Item]:
    key, draft = arm_key(arm.name), draft_key(arm.name)
    made_of = {"matched": cell.digest(MATCHED), "draft": cell.digest(draft)}
    if not cell.shelf.has(key, made_of):
        lines = [line["item"] for line in cell.shelf.lines(draft) if line["item"]]
        found = [Item.of(line) for line in lines]
        own = placed([item for item in found if not item.extra], ids)
        cell.shelf.keep(key, made_of, [item.to_json() for item in (*own, *(i for i in found if i.extra))])
    return [Item.of(line) for line in cell.shelf.lines(key)]
