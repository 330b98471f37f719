"""What a study asks of whoever puts it together, beside the workers that do its tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from services.pipeline.refinement.student_rewriters import Sampling
from services.pipeline.study.items import StudyProblem
from services.pipeline.study.tasks import Workers
from shared.domain import EvaluationProblem, Refinement, Trajectory
from shared.ports import ArmWriter, Generation, GenerationRequest, Locator, Verifier


@dataclass(frozen=True, slots=True)
class Continuing:
    """The student as one that goes on from a prefix of its own.

    Attributes:
        sampling: how it is sampled. generate: the samples of many requests, in order.
    """

    sampling: Sampling
    generate: Callable[[Sequence[GenerationRequest]], Sequence[list[Generation]]]


class Repair(Protocol):
    """The project's own search; `least` different samples are needed to know a student by."""

    @property
    def least(self) -> int: ...

    def __call__(
        self,
        samples: Sequence[tuple[str, str]],
        trajectories: Sequence[Trajectory],
        options: Mapping[str, Any],
        student: Continuing | None,
    ) -> Iterable[Refinement]:
        """One refinement a trajectory, in order; the student is known by its samples.

        It goes on by itself where `student` is given.
        """
        ...


@runtime_checkable
class Respeller(Protocol):
    """An oracle that can also say a share of a solution's lines in its own words."""

    def respelled(self, problem: str, text: str, share: float, seed: int) -> str:
        """The solution with each line in other words with probability `share`; same steps, same numbers."""
        ...


class Problems(Protocol):
    """Where a study's problems come from."""

    def draw(self, seed: int) -> Sequence[StudyProblem]:
        """The problems of one draw, each with gold."""
        ...

    def held_out(self, seed: int) -> Sequence[EvaluationProblem]:
        """The problems of the evaluation; none of them is in a draw."""
        ...


@dataclass(frozen=True, slots=True)
class Student:
    """A student: its name in the config, where its model is, and the model's digest."""

    name: str
    model: str
    digest: str


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one study.

    Attributes:
        problems: where they come from. students: in the order of the config.
        writers: the oracles by name; one that respells is a `Respeller` too. threads: how many of an
            oracle's texts are asked for at the same time.
        verifier, locator: judge the arms' texts.
        repair: the project's own search.
        given: texts by field of the file of problems and by id, for arms of texts that somebody gave.
        workers: do the heavy tasks. scratch: room for models under training.
    """

    problems: Problems
    students: Sequence[Student]
    writers: Mapping[str, ArmWriter]
    verifier: Verifier
    locator: Locator
    repair: Repair
    workers: Workers
    scratch: Path
    threads: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
