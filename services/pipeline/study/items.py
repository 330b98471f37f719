"""The nouns of a study, and each as a line of JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from shared.domain import (
    Correctness,
    EvaluationProblem,
    Graded,
    GradedSample,
    Loss,
    Problem,
    Trajectory,
    Verdict,
)
from shared.jsonl import FORBIDDEN
from shared.text.segmentation import segment


@dataclass(frozen=True, slots=True)
class StudyProblem:
    """A problem with its gold answer and, where known, a reference solution; `id` is unique in its draw."""

    id: str
    problem: Problem

    def asked(self) -> EvaluationProblem:
        """The same, as the student is asked it; a study's problems have gold."""
        return EvaluationProblem(self.id, self.problem.text, self.problem.gold or "")


@dataclass(frozen=True, slots=True)
class Sampled:
    """A problem with the student's own samples, each with its verdict, in order of their index."""

    problem: StudyProblem
    samples: tuple[GradedSample, ...]

    @property
    def right(self) -> tuple[int, ...]:
        """Indices of the samples that ended by themselves with the right answer."""
        return tuple(
            place
            for place, sample in enumerate(self.samples)
            if sample.finished and sample.verdict.value is Correctness.CORRECT and readable(sample.text)
        )

    @property
    def ended(self) -> tuple[int, ...]:
        """Indices of the samples that ended by themselves, right or wrong."""
        return tuple(
            place for place, sample in enumerate(self.samples) if sample.finished and readable(sample.text)
        )

    @property
    def wrong(self) -> tuple[int, ...]:
        """Indices of the samples whose answer is wrong, for certain."""
        return tuple(
            place
            for place, sample in enumerate(self.samples)
            if sample.verdict.value is Correctness.INCORRECT and readable(sample.text)
        )

    def trajectory(self, index: int) -> Trajectory:
        """Sample `index` as a trajectory, cut into steps."""
        text = self.samples[index].text
        name = f"{self.problem.id}.{index}"
        return Trajectory(name, 0, self.problem.problem, text, segment(text), generator="student")

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "id": self.problem.id,
            "problem": asdict(self.problem.problem),
            "samples": [sample_line(sample) for sample in self.samples],
        }

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Sampled:
        """What `to_json` wrote."""
        problem = StudyProblem(line["id"], Problem(**line["problem"]))
        return cls(problem, tuple(sample_of(sample) for sample in line["samples"]))


def readable(text: str) -> bool:
    """Whether a sample can be learnt from: it says something, in characters that a line may hold."""
    return bool(text.strip()) and FORBIDDEN.search(text) is None


@dataclass(frozen=True, slots=True)
class Item:
    """One example of an arm.

    Attributes:
        problem: id. prompt: the problem's text. text: what is learnt.
        edited: the text that was edited; None where the text was not made by editing.
        preserved: share of the edited text's characters that stand in steps kept whole (or outside the
            declared edits, where there are any); None where nothing was edited.
        right: whether the final answer is gold. correctness: 1, 1/2 or 0 (docs/method.md).
        native: the native arm's text for the same problem; None for a problem that has none.
        fallback: whether the native text stands in for one that could not be made.
        extra: whether the problem is none of the shared ones.
    """

    problem: str
    prompt: str
    text: str
    edited: str | None = None
    preserved: float | None = None
    right: bool = True
    correctness: float = 1.0
    native: str | None = None
    fallback: bool = False
    extra: bool = False

    @property
    def identical(self) -> bool:
        """Whether the text is byte for byte the native one."""
        return self.native is not None and self.text == self.native

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Item:
        """What `to_json` wrote."""
        return cls(**line)


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """One training: arm, loss, steps, seed, and learning rate."""

    arm: str
    loss: Loss
    steps: int
    seed: int
    rate: float

    @property
    def name(self) -> str:
        """As files are named."""
        return f"{self.arm}.{self.loss.value}.{self.steps}.s{self.seed}.r{self.rate:g}"


def sample_line(sample: GradedSample) -> dict[str, Any]:
    """One graded sample, JSON-ready."""
    verdict = sample.verdict
    return {
        "text": sample.text,
        "tokens": sample.tokens,
        "finished": sample.finished,
        "verdict": verdict.value.value,
        "reason": verdict.reason,
        "answer": verdict.answer,
    }


def sample_of(line: Mapping[str, Any]) -> GradedSample:
    """What `sample_line` wrote."""
    verdict = Verdict(Correctness(line["verdict"]), line["reason"], line["answer"])
    return GradedSample(line["text"], line["tokens"], line["finished"], verdict)


def graded_line(graded: Graded) -> dict[str, Any]:
    """One problem of an evaluation, JSON-ready; every sample is kept, so that a verdict can be audited."""
    return {"id": graded.problem.id, "samples": [sample_line(sample) for sample in graded.samples]}


def right_share(line: Mapping[str, Any]) -> float:
    """Share of a problem's samples that are right; undecided ones are not."""
    verdicts: list[str] = [sample["verdict"] for sample in line["samples"]]
    return verdicts.count(Correctness.CORRECT.value) / len(verdicts)
