"""The heavy work of a study as tasks: data that a process of its own can take and answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shared.domain import (
    EvaluationProblem,
    EvaluationSettings,
    NativeBand,
    TrainingOrder,
)
from shared.ports import GenerationRequest, ScoreRequest


@dataclass(frozen=True, slots=True)
class Template:
    """What stands around every problem, beside the model's own chat template; None: nothing."""

    instruction: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a model problems and grade its answers; the result is a list of `Graded`, in order."""

    model: str
    problems: tuple[EvaluationProblem, ...]
    settings: EvaluationSettings


@dataclass(frozen=True, slots=True)
class FitBand:
    """The native band of texts under a model; the result is a `NativeBand`."""

    model: str
    requests: tuple[ScoreRequest, ...]
    template: Template


@dataclass(frozen=True, slots=True)
class ScoreTexts:
    """Score texts under a model; the result is a list of `TextScore` in order."""

    model: str
    requests: tuple[ScoreRequest, ...]
    band: NativeBand
    template: Template


@dataclass(frozen=True, slots=True)
class Reward:
    """Grade solutions by a reward model; the result is a list of numbers in order."""

    model: str
    requests: tuple[ScoreRequest, ...]


@dataclass(frozen=True, slots=True)
class Continue:
    """Let a model generate; the result is a list of lists of `Generation`, one a request."""

    model: str
    requests: tuple[GenerationRequest, ...]
    template: Template


@dataclass(frozen=True, slots=True)
class Train:
    """Train a model into a folder; the result is a `TrainedModel`."""

    order: TrainingOrder
    folder: Path


Task = Ask | FitBand | ScoreTexts | Reward | Continue | Train


@dataclass(frozen=True, slots=True)
class TextScore:
    """Sums over one text's tokens, so that figures of an arm can be weighted by token.

    Attributes:
        nll: sum of surprisals, nats. tokens: their number. ranks: sum of min(rank, 100).
        quarters: (nll, tokens) of the four quarters. excess: sum of max(0, surprisal - band), nats.
    """

    nll: float
    tokens: int
    ranks: float
    quarters: tuple[tuple[float, int], ...]
    excess: float


@dataclass(frozen=True, slots=True)
class Tagged:
    """A task with the name under which its result is settled, and a few words on it for people."""

    tag: str
    task: Task
    stage: str = ""


Settle = Callable[[str, Any], Iterable[Tagged]]


class Workers(Protocol):
    """Whoever does the tasks: this process, or several."""

    def run(self, tasks: Iterable[Tagged], settle: Settle) -> None:
        """Do all tasks, in any order. `settle` is called here with each result and may name further tasks.

        What a task raises ends the run once the tasks under way are settled.
        """
        ...
