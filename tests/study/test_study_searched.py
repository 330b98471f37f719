"""The arm of the project's own search: whose samples the student is known by, and what becomes of them."""

from types import SimpleNamespace
from typing import Any

import pytest
from made_study import NoRepair, solution

from services.pipeline.study.items import Sampled, StudyProblem
from services.pipeline.study.makers.base import Batch, Made
from services.pipeline.study.makers.searched import style_aligned_pipeline
from services.pipeline.study.parts import Student
from services.pipeline.study.sharing import Shared
from services.pipeline.study.tasks import Template
from shared.domain import (
    Correctness,
    Diagnosis,
    EvaluationSettings,
    GradedSample,
    Outcome,
    Problem,
    Refinement,
    Utility,
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


def made(repair: NoRepair, given: tuple[Sampled, ...], shared: list[Shared], **options: Any) -> Made:
    """The arm of what `repair` does."""
    batch = Batch(
        arm=ArmSettings("searched", "style_aligned_pipeline", None, {"known_by": "right", **options}),
        shared=shared,
        failed=[],
        sampled=given,
        parts=SimpleNamespace(repair=repair),  # type: ignore[arg-type]
        student=Student("s", "m", "d"),
        sampling=EvaluationSettings(),
        template=Template(),
    )
    return style_aligned_pipeline(batch)


def known_by(rule: str, *given: Sampled) -> list[str]:
    """The texts that the search was given."""
    repair = NoRepair(least=3)
    made(repair, given, [], known_by=rule)
    return [text for _, text in repair.samples]


def kept(given: Sampled, utility: Utility | None) -> Refinement:
    """The first sample as it is, at that cost."""
    first, right = given.trajectory(0), Verdict(Correctness.CORRECT)
    return Refinement(
        trajectory=first,
        refined=first.text,
        outcome=Outcome.KEPT,
        reason=None,
        diagnosis=Diagnosis(-1, 0.5),
        edits=(),
        before=right,
        after=right,
        gold_source="given",
        style=None,
        utility=utility,
        gate=None,
        tried=(),
        preserved=1.0,
    )


MANY = (sampled(1, 2, 3), sampled(5, 6), sampled(7, 9, 8))


def test_the_student_is_known_by_its_right_samples() -> None:
    assert known_by("right", *MANY) == [solution(1, 1, 2), solution(5, 1, 6), solution(7, 1, 8)]


def test_it_is_known_by_all_where_that_is_wanted() -> None:
    assert len(known_by("all", *MANY)) == 5


@pytest.mark.parametrize("given", [MANY[:2], (*MANY[:2], MANY[1])])
def test_it_is_known_by_all_where_too_few_different_ones_are_right(given: tuple[Sampled, ...]) -> None:
    assert len(known_by("right", *given)) == sum(len(one.samples) for one in given)


@pytest.mark.parametrize(
    ("options", "taken"), [({}, [True] * 4), ({"most_cost": 0.1}, [False, False, True, False])]
)
def test_what_costs_too_much_is_not_made(options: dict[str, float], taken: list[bool]) -> None:
    given = tuple(sampled(number, number + 1) for number in range(4))
    utilities = [None, *(Utility(0.0, cost, 1.0, None) for cost in (None, 0.1, 0.11))]
    repair = NoRepair(made=[kept(*pair) for pair in zip(given, utilities, strict=True)])
    texts = made(repair, given, [Shared(one, 0, 0) for one in given], **options).texts
    assert [text is not None for text in texts] == taken
