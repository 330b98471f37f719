"""What a maker is given and what it makes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from services.pipeline.study.items import Sampled, StudyProblem
from services.pipeline.study.parts import Parts, Student
from services.pipeline.study.sharing import Shared
from services.pipeline.study.tasks import Template
from shared.domain import EvaluationSettings
from shared.errors import FieldError
from shared.ports import ArmWriter
from shared.study.config import ArmSettings
from shared.text.segmentation import segment

One = TypeVar("One")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Batch:
    """The work of one maker.

    Attributes:
        arm: its settings. shared: the problems of all arms. failed: problems that the student never solved.
        sampled: all problems with all samples. parts: of the study. student: whose texts they are.
        sampling, template: how it was sampled. seed: start of every random choice. native: which sample is
            native, as in the config.
    """

    arm: ArmSettings
    shared: Sequence[Shared]
    failed: Sequence[Sampled]
    sampled: Sequence[Sampled]
    parts: Parts
    student: Student
    sampling: EvaluationSettings
    template: Template
    seed: int = 0
    native: str = "right"

    @property
    def writer(self) -> ArmWriter:
        """The oracle of the arm."""
        return self.parts.writers[self.arm.oracle or ""]

    def seed_of(self, name: str) -> int:
        """A seed for one text; arms that do the same with the same oracle have the same."""
        content = f"{self.seed}:{self.arm.maker}:{name}".encode()
        return int.from_bytes(hashlib.sha256(content).digest()[:4])

    def each(self, make: Callable[[One], Result], over: Sequence[One]) -> list[Result]:
        """`make` of each, in order; several at a time where the oracle takes them."""
        threads = self.parts.threads.get(self.arm.oracle or "", 1)
        if threads == 1:
            return [make(one) for one in over]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(make, over))


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a maker made; `edited` and `preserved` as in `Item`."""

    problem: StudyProblem
    text: str
    edited: str | None = None
    preserved: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a maker made: a text or None for each shared problem, in order, and texts for further problems.

    `judged` is False where texts with a wrong answer are kept: the arm without the filter.
    """

    texts: list[Text | None]
    extra: list[Text] = field(default_factory=list)
    filtered: bool = True


def edit_of(problem: StudyProblem, native: str, text: str | None) -> Text | None:
    """A text that was made by editing `native`; None where nothing was made."""
    if text is None or not text.strip():
        return None
    return Text(problem, text, native, preserved_steps(native, text))


def preserved_steps(before: str, after: str) -> float:
    """Share of the characters in the steps of `before` that belong to steps kept whole, in their order.

    For texts whose author declares no edits: whole steps are aligned (longest common subsequence), never
    characters. 1.0 for a text without steps.
    """
    old, new = ([step.text for step in segment(text)] for text in (before, after))
    total = sum(map(len, old))
    return _kept(old, new) / total if total else 1.0


def _kept(old: list[str], new: list[str]) -> int:
    """Most characters of `old` in a common subsequence of both lists."""
    above = [0] * (len(new) + 1)
    for text in old:
        row = [0]
        for place, other in enumerate(new):
            here = above[place] + len(text) if text == other else 0
            row.append(max(here, above[place + 1], row[place]))
        above = row
    return above[-1]


def option(batch: Batch, name: str) -> Any:
    """What the arm's table says about `name`."""
    if name not in batch.arm.options:
        raise FieldError(f"arms.{batch.arm.name}.{name}", "is missing", "give it")
    return batch.arm.options[name]
