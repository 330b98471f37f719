"""The arm of the project's own search: whose samples the student is known by, and what becomes of them."""

from types import SimpleNamespace

import pytest
from made_study import NoRepair, solution

from services.pipeline.study.items import Sampled, StudyProblem
from services.pipeline.study.makers.base import Batch
from services.pipeline.study.makers.searched import style_aligned_pipeline
from services.pipeline.study.parts import Student
from services.pipeline.study.tasks import Template
from shared.domain import (
    Correctness,
    EvaluationSettings,
    GradedSample,
    Problem,
    Verdict,
)
from shared.study.config import ArmSettings


def sampled(first: int, *results: int) -> Sampled:
    """The student's sums of `first` and 1, right where the result is."""
    samples = tuple(
        GradedSample(
            solution(first, 1, result),
            20,
            True,
            Verdict(Correctness.CORRECT if result == first + 1 else Correctness.INCORRECT),
        )
        for result in results
    )
    return Sampled(StudyProblem(str(first), Problem(f"What is {first} + 1?", str(first + 1))), samples)


def known_by(rule: str, *given: Sampled) -> list[str]:
    """The texts that the search was given."""
    repair = NoRepair(least=3)
    batch = Batch(
        arm=ArmSettings("searched", "style_aligned_pipeline", None, {"known_by": rule}),
        shared=[],
        failed=[],
        sampled=given,
        parts=SimpleNamespace(repair=repair),  # type: ignore[arg-type]
        student=Student("s", "m", "d"),
        sampling=EvaluationSettings(),
        template=Template(),
    )
    style_aligned_pipeline(batch)
    return [text for _, text in repair.samples]


MANY = (sampled(1, 2, 3), sampled(5, 6), sampled(7, 9, 8))


def test_the_student_is_known_by_its_right_samples() -> None:
    assert known_by("right", *MANY) == [solution(1, 1, 2), solution(5, 1, 6), solution(7, 1, 8)]


def test_it_is_known_by_all_where_that_is_wanted() -> None:
    assert len(known_by("all", *MANY)) == 5


@pytest.mark.parametrize("given", [MANY[:2], (*MANY[:2], MANY[1])])
def test_it_is_known_by_all_where_too_few_different_ones_are_right(given: tuple[Sampled, ...]) -> None:
    assert len(known_by("right", *given)) == sum(len(one.samples) for one in given)
