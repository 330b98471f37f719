"""Stage ``score``: what each arm's texts cost the student, as sums and counts, and their reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from services.pipeline.study.cell import Cell
from services.pipeline.study.items import Item, Sampled
from services.pipeline.study.stage_arms import arm_key
from services.pipeline.study.stage_sample import samples_digest
from services.pipeline.study.tasks import FitBand, Reward, ScoreTexts, Tagged
from shared.domain import NativeBand
from shared.ports import ScoreRequest

BAND = "band"
BAND_TEXTS = 400


def score(cell: Cell, sampled: Sequence[Sampled], arms: dict[str, list[Item]]) -> None:
    """Score every arm that isn't yet, under the student itself, and grade it where a reward model is."""
    band = _band(cell, sampled)
    made_of = {name: _made_of(cell, name) for name in arms}
    graded_by = {name: {"arm": cell.digest(arm_key(name)), "reward": cell.config.reward} for name in arms}

    def settle(tag: str, result: Any) -> list[Tagged]:
        kind, _, name = tag.partition("/")
        if kind == "scores":
            cell.shelf.keep(tag, made_of[name], [asdict(one) for one in result])
        else:
            cell.shelf.keep(tag, graded_by[name], [{"reward": reward} for reward in result])
        return []

    tasks: list[Tagged] = []
    for name, items in arms.items():
        requests = tuple(ScoreRequest(item.prompt, item.text) for item in items)
        if not cell.shelf.has(f"scores/{name}", made_of[name]):
            task = ScoreTexts(cell.student.model, requests, band, cell.template)
            tasks.append(Tagged(f"scores/{name}", task, "score"))
        if cell.config.reward and not cell.shelf.has(f"rewards/{name}", graded_by[name]):
            tasks.append(Tagged(f"rewards/{name}", Reward(cell.config.reward, requests), "score"))
    cell.parts.workers.run(tasks, settle)


def _made_of(cell: Cell, arm: str) -> dict[str, Any]:
    return {
        "arm": cell.digest(arm_key(arm)),
        "student": cell.student.digest,
        "band": cell.digest(BAND),
        "template": asdict(cell.template),
    }


def _band(cell: Cell, sampled: Sequence[Sampled]) -> NativeBand:
    """The native band of the student's first samples, right or wrong."""
    texts = [(one.problem.problem.text, one.samples[0].text) for one in sampled[:BAND_TEXTS]]
    requests = tuple(ScoreRequest(problem, text) for problem, text in texts if text)
    made_of = {"sample": samples_digest(cell), "student": cell.student.digest, "texts": len(requests)}

    def settle(tag: str, band: NativeBand) -> list[Tagged]:
        # JSON has no infinity: a quarter without tokens is null.
        quarters = [None if one == float("inf") else one for one in band.quarters]
        cell.shelf.keep(BAND, made_of, [{"quarters": quarters}])
        return []

    if not cell.shelf.has(BAND, made_of):
        task = FitBand(cell.student.model, requests, cell.template)
        cell.parts.workers.run([Tagged(BAND, task, "score")], settle)
    first, second, third, fourth = (
        float("inf") if one is None else one for one in cell.shelf.first(BAND)["quarters"]
    )
    return NativeBand((first, second, third, fourth))
