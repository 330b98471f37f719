"""A whole study in memory: sums as problems, a student, a trainer and an oracle that follow fixed rules.

They are stand-ins behind the ports, quick enough for many runs; verifier, locator and stages are real.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.oracle.locators import CombinedLocator
from services.oracle.verifier import SandboxedVerifier
from services.pipeline.study.course import Course, Finished
from services.pipeline.study.in_turn import InTurn
from services.pipeline.study.items import StudyProblem
from services.pipeline.study.parts import Continuing, Parts, Student
from services.pipeline.study.tasks import Settle, Tagged, Template
from shared.domain import (
    Correctness,
    EvaluationProblem,
    EvaluationSettings,
    Graded,
    GradedSample,
    Problem,
    Refinement,
    ScorerInfo,
    Span,
    TokenScores,
    TrainedModel,
    TrainingOrder,
    TrainingProgress,
    Trajectory,
    Verdict,
)
from shared.errors import FieldError
from shared.ports import Generation, GenerationRequest, ScoreRequest
from shared.study.config import StudyConfig, to_config

CONTENT: dict[str, Any] = {
    "name": "sums",
    "seeds": [0, 1, 2],
    "losses": ["sft", "dft"],
    "source": "first",
    "count": 12,
    "problems": {"kind": "miniature", "count": 20, "held_out": 10},
    "student": {"models": ["scripted"]},
    "sampling": {"samples": 4, "max_tokens": 50},
    "evaluation": {"samples": 2, "max_tokens": 50},
    "oracles": {"strong": {"kind": "miniature", "words": "formal"}},
    "arms": [
        {"name": "native"},
        {"name": "style_aligned", "oracle": "strong"},
        {"name": "oracle_refined", "oracle": "strong"},
        {"name": "reference"},
        {"name": "unfiltered"},
        {"name": "native_plus_repaired", "oracle": "strong"},
    ],
    "training": {"steps": [3], "batch_size": 4, "rates": {"sft": 1e-3, "dft": 1e-3}},
}


_OF_TRAININGS = ("seeds", "training", "evaluation")
SCORED: dict[str, Any] = {
    **{key: value for key, value in CONTENT.items() if key not in _OF_TRAININGS},
    "losses": [],
    "problems": {"kind": "miniature", "count": 20},
}
"""The same without trainings: it ends with the scores."""


def made_config(**changed: Any) -> StudyConfig:
    """The study of sums, with some entries changed."""
    return to_config({**CONTENT, **changed})


def chance(*key: object) -> float:
    """A number in 0..1 that depends on the key alone."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32


def solution(first: int, second: int, result: int) -> str:
    """As the student writes."""
    return f"First, I add {first} + {second} = {result}.\nSo there are \\boxed{{{result}}}."


def textbook(place: int) -> str:
    """What somebody else wrote on the problem at this place of draw 1."""
    return f"Hence we obtain {10 + place} + 2 = {12 + place}.\n\\boxed{{{12 + place}}}"


def numbers(text: str) -> tuple[int, int]:
    """The two numbers of a problem."""
    first, second = text.removeprefix("What is ").removesuffix("?").split(" + ")
    return int(first), int(second)


@dataclass(frozen=True)
class Sums:
    """Problems ``What is 3 + 4?``, different ones for evaluation."""

    count: int
    held_out_count: int

    def draw(self, seed: int) -> Sequence[StudyProblem]:
        return [self._problem(seed, place) for place in range(self.count)]

    def held_out(self, seed: int) -> Sequence[EvaluationProblem]:
        return [self._problem(seed, place).asked() for place in range(self.held_out_count)]

    def _problem(self, seed: int, place: int) -> StudyProblem:
        first, second = 10 + place, 1 + seed % 89
        gold = str(first + second)
        reference = f"{first} + {second} = {gold}\n\\boxed{{{gold}}}"
        return StudyProblem(f"{seed}-{place}", Problem(f"What is {first} + {second}?", gold, reference))


@dataclass(frozen=True)
class Adder:
    """An evaluator whose model errs by chance; every fifth problem is beyond it."""

    def evaluate(
        self, model: str, problems: Sequence[EvaluationProblem], settings: EvaluationSettings
    ) -> Iterator[Graded]:
        for problem in reversed(problems):
            yield Graded(problem, tuple(self._one(model, problem, i) for i in range(settings.samples)))

    def _one(self, model: str, problem: EvaluationProblem, index: int) -> GradedSample:
        first, second = numbers(problem.text)
        beyond = (first % 5) == 0
        right = not beyond and chance(Path(model).parent.name, problem.id, index) < 0.5
        text = solution(first, second, first + second + (not right))
        value = Correctness.CORRECT if right else Correctness.INCORRECT
        return GradedSample(text, len(text.split()), True, Verdict(value, "equal", str(first + second)))


@dataclass(frozen=True)
class Folders:
    """A trainer that leaves a folder and a falling loss."""

    def train(
        self, order: TrainingOrder, folder: Path, watch: Callable[[TrainingProgress], None]
    ) -> TrainedModel:
        place = folder / "model"
        place.mkdir(parents=True, exist_ok=True)
        rows = len(order.rows.read_bytes().splitlines())
        curve = tuple(TrainingProgress(i, 3, 1.0 / i, 1e-3, 10 * i, 5.0) for i in (1, 2, 3))
        return TrainedModel(order.name, place, order.name, rows, 30, curve)


@dataclass(frozen=True)
class Letters:
    """A scorer to which every word costs a nat, an unfamiliar one ten."""

    @property
    def info(self) -> ScorerInfo:
        return ScorerInfo("letters", "scripted", "0")

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        return [self._one(request.text) for request in requests]

    def _one(self, text: str) -> TokenScores:
        words = text.split()
        costs = tuple(10.0 if word in ("Hence", "obtain") else 1.0 for word in words)
        return TokenScores(tuple(Span(0, 1) for _ in words), costs, tuple(2 for _ in words))


@dataclass
class ScriptedTools:
    """The parts of the tasks."""

    def evaluator(self) -> Adder:
        return Adder()

    def trainer(self) -> Folders:
        return Folders()

    def scorer(self, model: str, template: Template) -> Letters:
        return Letters()

    def generate(
        self, model: str, requests: Sequence[GenerationRequest], template: Template
    ) -> list[list[Generation]]:
        return [[Generation(solution(*pair, sum(pair)), 9, True)] for pair in map(_pair, requests)]

    def rewards(self, model: str, requests: Sequence[ScoreRequest]) -> list[float]:
        return [float(len(request.text)) for request in requests]


def _pair(request: GenerationRequest) -> tuple[int, int]:
    return numbers(request.problem)


@dataclass(frozen=True)
class Strong:
    """An oracle that adds without fail."""

    name: str = "strong"
    simulated: bool = True

    def refined(self, trajectory: Trajectory, verdict: Verdict, seed: int) -> str | None:
        return self.synthesized(trajectory.problem, seed)

    def synthesized(self, problem: Problem, seed: int) -> str | None:
        first, second = numbers(problem.text)
        return f"Hence we obtain {first} + {second} = {first + second}.\nHence \\boxed{{{first + second}}}."

    def aligned(self, trajectory: Trajectory, verdict: Verdict, seed: int) -> str | None:
        first, second = numbers(trajectory.problem.text)
        return solution(first, second, first + second)


@dataclass
class NoRepair:
    """Repairs nothing but what was `made` before; remembers by which samples the student was to be known."""

    least: int = 200
    made: Sequence[Refinement] = ()
    samples: list[tuple[str, str]] = field(default_factory=list)

    def __call__(
        self,
        samples: Sequence[tuple[str, str]],
        trajectories: Sequence[Trajectory],
        options: Mapping[str, Any],
        student: Continuing | None,
    ) -> Iterable[Refinement]:
        self.samples = list(samples)
        return self.made


@dataclass
class Counted:
    """Workers that do all in this process, count the tasks by kind, and may stop after some."""

    limit: int | None = None
    done: Counter[str] = field(default_factory=Counter)

    def run(self, tasks: Iterable[Tagged], settle: Settle) -> None:
        def settled(tag: str, result: Any) -> Iterable[Tagged]:
            self.done[tag.partition("/")[0]] += 1
            more = settle(tag, result)
            if self.limit is not None and sum(self.done.values()) >= self.limit:
                raise InterruptedError
            return more

        InTurn(ScriptedTools()).run(tasks, settled)


@contextmanager
def made_course(folder: Path, config: StudyConfig, workers: Counted, fresh: bool = False) -> Iterator[Course]:
    """The course of a study of sums in a folder."""
    with SandboxedVerifier(1) as verifier:
        parts = Parts(
            problems=Sums(config.problems.count, config.problems.held_out),
            students=[Student("scripted", "start/model", "d0")],
            writers={"strong": Strong()},
            verifier=verifier,
            locator=CombinedLocator(),
            repair=NoRepair(),
            workers=workers,
            scratch=folder / "scratch",
            given={"textbook": {f"1-{place}": textbook(place) for place in range(1, 20, 2)}},
        )
        yield Course(config, parts, folder, fresh)


def finished(folder: Path, workers: Counted | None = None, fresh: bool = False, **changed: Any) -> Finished:
    """The study of sums, run to its end."""
    with made_course(folder, made_config(**changed), workers or Counted(), fresh) as course:
        return course.run()


def scripted_tools(threads: int) -> ScriptedTools:
    """For worker processes."""
    return ScriptedTools()


class Mortal(ScriptedTools):
    """Tools of a worker that some tasks end."""

    def rewards(self, model: str, requests: Sequence[ScoreRequest]) -> list[float]:
        if model == "refuse":
            raise FieldError("reward", "is no model", "name one")
        if model == "die":
            os._exit(9)
        return super().rewards(model, requests)


def mortal_tools(threads: int) -> Mortal:
    """For worker processes."""
    return Mortal()
