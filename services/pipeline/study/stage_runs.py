"""Stages ``train`` and ``evaluate``: every arm, loss and seed from the same start, each model asked at once.

A model's folder is removed once it was evaluated; digest and learning curve stay.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from services.pipeline.study.cell import Cell
from services.pipeline.study.items import Item, RunKey, graded_line
from services.pipeline.study.stage_arms import arm_key
from services.pipeline.study.tasks import Ask, Tagged, Train
from shared.domain import Graded, TrainedModel, TrainingOrder
from shared.jsonl import dump_line

START = "evaluate/start"


def runs(cell: Cell, arms: dict[str, list[Item]]) -> None:
    """Train and evaluate whatever isn't yet, and the student as it was before."""
    stage = _Runs(cell, {key.name: key for key in cell.run_keys()})
    if open_keys := [key for key in stage.keys.values() if not stage.is_done(key)]:
        _write_rows(cell, arms)
    tasks = [stage.next_task(key) for key in open_keys]
    cell.parts.workers.run([*stage.start(), *tasks], stage.settle)
    shutil.rmtree(cell.scratch, ignore_errors=True)


class _Runs:
    """The trainings of one cell: which piece each leaves, and what comes next."""

    def __init__(self, cell: Cell, keys: dict[str, RunKey]) -> None:
        self.cell, self.keys = cell, keys
        self._start_of = {"student": cell.student.digest, **cell.asked_of_trained}

    def is_done(self, key: RunKey) -> bool:
        """Whether it is trained and evaluated; DriftError where that was done with other settings."""
        trained = self.cell.shelf.has(f"train/{key.name}", self._trained_of(key))
        return trained and self.cell.shelf.has(f"evaluate/{key.name}", self._evaluated_of(key))

    def start(self) -> list[Tagged]:
        """The evaluation of the student before any training."""
        if self.cell.shelf.has(START, self._start_of):
            return []
        return [Tagged(START, self._ask(self.cell.student.model, 0), "evaluate")]

    def next_task(self, key: RunKey) -> Tagged:
        """Training; a trainer hands over at once what is done in its folder already."""
        return Tagged(f"train/{key.name}", Train(self._order(key), self._folder(key)), "train")

    def settle(self, tag: str, result: Any) -> Iterable[Tagged]:
        """Keep what came; a trained model is asked next."""
        stage, _, name = tag.partition("/")
        if stage == "train":
            return [self._settle_training(self.keys[name], result)]
        made_of = self._start_of if tag == START else self._evaluated_of(self.keys[name])
        self.cell.shelf.keep(tag, made_of, _lines(result))
        if tag != START:
            shutil.rmtree(self._folder(self.keys[name]), ignore_errors=True)
        return []

    def _settle_training(self, key: RunKey, model: TrainedModel) -> Tagged:
        line = {
            "digest": model.digest,
            "rows": model.rows,
            "tokens": model.tokens,
            "curve": [[one.step, one.loss, one.learning_rate] for one in model.curve],
        }
        if not self._is_kept(key, model):
            self.cell.shelf.keep(f"train/{key.name}", self._trained_of(key), [line])
        return Tagged(f"evaluate/{key.name}", self._ask(str(model.folder), key.seed), "evaluate")

    def _is_kept(self, key: RunKey, model: TrainedModel) -> bool:
        """Whether the piece of this very model is there: it was trained before a kill, and not yet asked."""
        name = f"train/{key.name}"
        there = self.cell.shelf.has(name, self._trained_of(key))
        return there and self.cell.shelf.first(name)["digest"] == model.digest

    def _ask(self, model: str, seed: int) -> Ask:
        """Models of one seed draw alike, so that arms are paired; those of another draw anew."""
        plain = self.cell.config.evaluation
        return Ask(model, tuple(self.cell.held_out), replace(plain, seed=plain.seed + seed))

    def _order(self, key: RunKey) -> TrainingOrder:
        return TrainingOrder(
            name=key.name,
            base=self.cell.student.model,
            rows=_rows(self.cell, key.arm),
            settings=self.cell.settings_of(key),
            arm=key.arm,
            instruction=self.cell.template.instruction,
            system=self.cell.template.system,
        )

    def _folder(self, key: RunKey) -> Path:
        return self.cell.scratch / key.name

    def _trained_of(self, key: RunKey) -> dict[str, Any]:
        settings = asdict(self.cell.settings_of(key))
        template, arm = asdict(self.cell.template), self.cell.digest(arm_key(key.arm))
        return {"arm": arm, "student": self.cell.student.digest, "settings": settings, "template": template}

    def _evaluated_of(self, key: RunKey) -> dict[str, Any]:
        return {"train": self._trained_of(key), **self.cell.asked_of_trained}


def _lines(graded: Sequence[Graded]) -> list[dict[str, Any]]:
    return [graded_line(one) for one in graded]


def _rows(cell: Cell, arm: str) -> Path:
    return cell.scratch / "rows" / f"{arm}.jsonl"


def _write_rows(cell: Cell, arms: dict[str, list[Item]]) -> None:
    """The items as the trainer reads them; made anew where they are needed."""
    for name, items in arms.items():
        path = _rows(cell, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (dump_line({"prompt": item.prompt, "completion": item.text}) for item in items)
        path.write_bytes(b"".join(lines))
