"""The arm of the project's own search, on the real search with a student that is known by its samples."""

from collections.abc import Iterator

import pytest
from made_study import solution

from services.embedded.study.repairing import SearchRepair
from services.oracle.locators import CombinedLocator
from services.oracle.verifier import SandboxedVerifier
from shared.domain import Outcome, Problem, Refinement, Trajectory
from shared.errors import InputError
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


def test_a_student_of_few_samples_can_not_be_known(repair: SearchRepair) -> None:
    with pytest.raises(InputError, match="at least 200"):
        list(repair(SAMPLES[:20], [trajectory(12, 41, 54)], OPTIONS))
