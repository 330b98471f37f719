"""Evaluation in domain types: problems, what a model answered, and whether it was right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.domain.judgement import Verdict


@dataclass(frozen=True, slots=True)
class EvaluationProblem:
    """One problem of a set: `id` is unique in it, `gold` the final answer.

    `groups` cuts the set for tables: for example ``{"level": "3", "subject": "Algebra"}``.
    """

    id: str
    text: str
    gold: str
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GradedSample:
    """One answer of the model.

    Attributes:
        text: as sampled. tokens: new tokens. finished: False where a limit cut it off.
        verdict: on its final answer; undecided counts as not right and is told apart.
    """

    text: str
    tokens: int
    finished: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Graded:
    """One problem with its k samples, in order of their index."""

    problem: EvaluationProblem
    samples: tuple[GradedSample, ...]


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How a model is asked.

    Attributes:
        samples: k, at least 1. temperature, top_p, max_tokens: of each sample. seed: sample i of problem j
            has a stream of its own that depends on (seed, problem id, i) only.
        instruction, system: put behind and before every problem; None: what the student's template says.
    """

    samples: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 4096
    seed: int = 0
    instruction: str | None = None
    system: str | None = None
