"""One cell of a study: one student on one draw of problems, with all that its stages share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from services.pipeline.study.items import RunKey, StudyProblem
from services.pipeline.study.parts import Parts, Student
from services.pipeline.study.shelf import Shelf
from services.pipeline.study.tasks import Template
from shared.domain import EvaluationProblem, EvaluationSettings, TrainingSettings
from shared.identity import digest_of
from shared.study.config import ArmSettings, StudyConfig


@dataclass
class Cell:
    """Settings, parts and folder of one student on one draw."""

    config: StudyConfig
    parts: Parts
    student: Student
    draw: int
    shelf: Shelf
    _pieces: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As its folder is named."""
        return self.shelf.folder.name

    @cached_property
    def problems(self) -> Sequence[StudyProblem]:
        """What the student is sampled on."""
        return self.parts.problems.draw(self.draw)

    @cached_property
    def held_out(self) -> Sequence[EvaluationProblem]:
        """What trained models are asked."""
        return self.parts.problems.held_out(self.config.problems.held_out_seed)

    @cached_property
    def asked_of_trained(self) -> dict[str, Any]:
        """What determines an evaluation beside the model."""
        problems = digest_of([asdict(problem) for problem in self.held_out])
        return {"held_out": problems, "evaluation": asked(self.config.evaluation)}

    @property
    def template(self) -> Template:
        """What stands around every problem."""
        return Template(self.config.student.instruction, self.config.student.system)

    @property
    def scratch(self) -> Path:
        """Room for models under training and their rows."""
        return self.parts.scratch / self.name

    def run_keys(self) -> Iterator[RunKey]:
        """All trainings: seeds outermost, so that what is done early is complete for fewer seeds."""
        for seed in self.config.seeds:
            for steps in self.config.budgets:
                for loss in self.config.losses:
                    for rate in self.config.rate_grid or (self.config.rates[loss],):
                        for arm in self.config.arms:
                            yield RunKey(arm.name, loss, steps, seed, rate)

    def settings_of(self, key: RunKey) -> TrainingSettings:
        """How one training goes."""
        return replace(
            self.config.training, loss=key.loss, steps=key.steps, seed=key.seed, learning_rate=key.rate
        )

    def arm_identity(self, arm: ArmSettings) -> Mapping[str, Any]:
        """What determines an arm's texts beside the shared problems."""
        oracle = self.config.oracles[arm.oracle] if arm.oracle else {}
        writer = self.parts.writers[arm.oracle].name if arm.oracle else ""
        identity = {
            "maker": arm.maker,
            "options": dict(arm.options),
            "oracle": {**oracle, "name": writer},
            "student": self.student.digest,
            "sampling": asked(self.config.sampling),
        }
        if arm.maker == "given":
            identity["texts"] = digest_of(self.parts.given[arm.options["field"]])
        return identity

    def digest(self, key: str) -> str:
        """Digest of a piece that is there, read once."""
        if key not in self._pieces:
            self._pieces[key] = self.shelf.digest(key)
        return self._pieces[key]


def asked(settings: EvaluationSettings) -> dict[str, Any]:
    """Settings of sampling, as identities hold them."""
    return asdict(settings)
