"""The arm of the project's own search, on the real search with a student that is known by its samples."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from made_study import solution

from services.embedded.study.repairing import SearchRepair
from services.oracle.locators import CombinedLocator
from services.oracle.verifier import SandboxedVerifier
from services.pipeline.refinement.student_rewriters import Sampling
from services.pipeline.study.parts import Continuing
from shared.domain import Outcome, Problem, Refinement, Trajectory
from shared.errors import InputError
from shared.ports import Generation, GenerationRequest
from shared.text.segmentation import segment

OPTIONS = {"lambda": 1.0, "alpha": 0.05, "gate": "report"}
SAMPLES = [(f"What is {a} + {b}?", solution(a, b, a + b)) for a in range(10, 35) for b in range(40, 50)]


def trajectory(first: int, second: int, result: int) -> Trajectory:
    text = solution(first, second, result)
    problem = Problem(f"What is {first} + {second}?", str(first + second))
    return Trajectory(f"{first}-{second}", 0, problem, text, segment(text))


@pytest.fixture(scope="module")
def repair() -> Iterator[SearchRepair]:
    with SandboxedVerifier(1) as verifier:
        yield SearchRepair(verifier, CombinedLocator())


@pytest.fixture(scope="module")
def refinements(repair: SearchRepair) -> list[Refinement]:
    """Of a wrong sum and of a right one."""
    return list(repair(SAMPLES, [trajectory(12, 41, 54), trajectory(13, 42, 55)], OPTIONS))


def test_a_slip_is_repaired_in_the_students_own_words(refinements: list[Refinement]) -> None:
    assert refinements[0].refined == solution(12, 41, 53)


def test_what_is_right_is_kept(refinements: list[Refinement]) -> None:
    assert refinements[1].outcome is Outcome.KEPT


@dataclass
class Going:
    """A student that goes on right from wherever it is, and remembers what it was asked."""

    asked: list[GenerationRequest] = field(default_factory=list)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[list[Generation]]:
        self.asked.extend(requests)
        return [[Generation(self.rest(one), 20, True)] * one.n for one in requests]

    def rest(self, request: GenerationRequest) -> str:
        first, second = (int(number) for number in re.findall(r"[0-9]+", request.problem))
        return solution(first, second, first + second).removeprefix(request.prefix)


def lost(first: int, second: int) -> Trajectory:
    """A solution that no rule can lead on: without a reference, and its numbers are none of the problem's."""
    given = trajectory(first, second, first + second)
    text = solution(77, 12, 89)
    return replace(given, text=text, steps=segment(text))


def test_the_student_goes_on_where_the_rules_have_nothing(repair: SearchRepair) -> None:
    student = Going()
    found = list(repair(SAMPLES, [lost(12, 41)], OPTIONS, Continuing(Sampling(n=2), student.generate)))
    assert found[0].refined == solution(12, 41, 53)
    assert found[0].edits[0].rewriter == "student_continue"


def test_the_student_is_asked_once_and_only_where_the_rules_have_nothing(repair: SearchRepair) -> None:
    student = Going()
    given = [trajectory(12, 41, 54), trajectory(13, 42, 55), lost(14, 43), lost(15, 44)]
    list(repair(SAMPLES, given, OPTIONS, Continuing(Sampling(n=2), student.generate)))
    assert [one.problem for one in student.asked] == ["What is 14 + 43?", "What is 15 + 44?"]


def test_without_a_student_the_same_solution_is_rejected(repair: SearchRepair) -> None:
    assert next(iter(repair(SAMPLES, [lost(12, 41)], OPTIONS))).outcome is Outcome.REJECTED


def test_a_student_of_few_samples_can_not_be_known(repair: SearchRepair) -> None:
    with pytest.raises(InputError, match="at least 200"):
        list(repair(SAMPLES[:20], [trajectory(12, 41, 54)], OPTIONS))
