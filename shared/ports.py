"""The ports of the search: what it asks of others, whoever they are.

The pipeline is written against these Protocols only. In process they are objects of the sibling
services, put together in `services.embedded`; across a network they are clients with the same methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from shared.domain import (
    Candidate,
    Diagnosis,
    EvaluationProblem,
    EvaluationSettings,
    GateVerdict,
    Graded,
    Problem,
    ScorerInfo,
    Span,
    StudentProfile,
    TokenScores,
    TrainedModel,
    TrainingOrder,
    TrainingProgress,
    Trajectory,
    Verdict,
)


@runtime_checkable
class Verifier(Protocol):
    """Compares final answers with gold inside a time and memory limit; safe to call from any thread."""

    def verify(self, text: str, gold: str | None) -> Verdict:
        """Verdict on the final answer of a whole solution; undecided ``no_gold`` where gold is None."""
        ...


@runtime_checkable
class Locator(Protocol):
    """Says which step is the first wrong one."""

    @property
    def name(self) -> str:
        """Name of the locator, as findings quote it."""
        ...

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """Diagnosis of the trajectory, given the verdict on its final answer."""
        ...


@dataclass(frozen=True, slots=True)
class RewriteRequest:
    """What a rewriter is told: the native trajectory, its diagnosis and how the student writes.

    `examples` are steps of the student's other solutions, for rewriters that imitate from examples.
    """

    trajectory: Trajectory
    verdict: Verdict
    diagnosis: Diagnosis
    profile: StudentProfile | None
    seed: int
    examples: tuple[str, ...] = ()


@runtime_checkable
class Rewriter(Protocol):
    """Proposes candidates, smallest change first; proposing nothing is an answer."""

    @property
    def name(self) -> str:
        """Name of the rewriter, as edits quote it."""
        ...

    def propose(self, request: RewriteRequest) -> Iterable[Candidate]:
        """Candidates whose edits are spans of the native text: whole steps, or whole tokens within one."""
        ...


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """One text to score after its problem, in the student's own prompt template."""

    problem: str
    text: str


@runtime_checkable
class Scorer(Protocol):
    """Surprisal and rank of every token of a text under the student (or a labelled stand-in)."""

    @property
    def info(self) -> ScorerInfo:
        """Name, label and digest of the model that scores."""
        ...

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """One result a request, in order; an empty text has no tokens."""
        ...


@runtime_checkable
class StyleGate(Protocol):
    """Decides whether an edited span still sounds like the student."""

    def judge(self, problem: str, text: str, span: Span, profile: StudentProfile) -> GateVerdict:
        """Verdict on `text[span]` in its place."""
        ...


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Sample `n` continuations of `prefix` (may be empty) as a solution of `problem`.

    `hint`, where given, is shown to the student before it goes on and is no part of the solution.
    Temperatures are >= 0 (0 is greedy); `max_tokens` counts new tokens; equal seeds give equal samples.
    `top_p` below 1 draws among the likeliest tokens that together reach that share. `instruction` and
    `system` take the place of the generator's own, behind and before the problem; None keeps those.
    """

    problem: str
    prefix: str = ""
    hint: str | None = None
    n: int = 1
    temperature: float = 1.0
    max_tokens: int = 256
    seed: int = 0
    top_p: float = 1.0
    instruction: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """One sample: the new text only (prefix excluded), and whether it ended by itself or by a limit."""

    text: str
    tokens: int
    finished: bool


@runtime_checkable
class Generator(Protocol):
    """The student as a sampler."""

    def generate(self, request: GenerationRequest) -> list[Generation]:
        """`n` samples, in order."""
        ...


@runtime_checkable
class Trainer(Protocol):
    """Trains a model; one training at a time uses all that it has."""

    def train(
        self, order: TrainingOrder, folder: Path, watch: Callable[[TrainingProgress], None]
    ) -> TrainedModel:
        """Train, going on from a checkpoint of the same order in `folder`, and leave the model there.

        `watch` is called after every step. Raises FieldError for rows, settings or a base that can't work
        (the row named by its line), UnavailableError where room or memory ran out.
        """
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Asks a model a set of problems and grades what it answers."""

    def evaluate(
        self, model: str, problems: Sequence[EvaluationProblem], settings: EvaluationSettings
    ) -> Iterator[Graded]:
        """Problems as they are done, in any order; `model` is a folder, GGUF file or name."""
        ...


@runtime_checkable
class ArmWriter(Protocol):
    """An oracle that writes solutions for the arms of a study; None where it can't."""

    @property
    def name(self) -> str:
        """Name of the oracle, for tables."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether a program stands in for a strong model; said in every table."""
        ...

    def refined(self, trajectory: Trajectory, verdict: Verdict, seed: int) -> str | None:
        """Arm `oracle_refined`: the student's solution, put right with minimal intervention, in any words."""
        ...

    def synthesized(self, problem: Problem, seed: int) -> str | None:
        """Arm `oracle_synthesized`: the oracle's own solution from scratch."""
        ...

    def aligned(self, trajectory: Trajectory, verdict: Verdict, seed: int) -> str | None:
        """Arm `style_aligned`: only what is wrong put right, in the student's own expression."""
        ...
