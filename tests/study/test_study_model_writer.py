"""A language model as the oracle: what it is asked, and what is taken of its answers."""

from collections.abc import Iterator

import pytest

from services.embedded.study.model_writer import ALIGN, REFINE, SOLVE, open_model_writer, study_prompt
from services.embedded.study.writers import opened_writers
from services.pipeline.study.parts import Respeller
from shared.domain import Correctness, Problem, Trajectory, Verdict
from shared.errors import FieldError
from shared.ports import ArmWriter
from shared.study.table_reader import TableReader
from shared.text.segmentation import segment

TEXT = "First, 2 + 2 = 5.\nSo it is \\boxed{5}."
TRAJECTORY = Trajectory("t", 0, Problem("What is 2 + 2?", "4", "2 + 2 = 4"), TEXT, segment(TEXT))
WRONG = Verdict(Correctness.INCORRECT, "differs", "5")


@pytest.fixture(scope="module")
def writer() -> Iterator[ArmWriter]:
    """A writer on the scripted engine."""
    with open_model_writer("scripted", TableReader({"model": "scripted"}, "oracles.strong")) as found:
        yield found


def test_a_scripted_oracle_is_called_a_simulation(writer: ArmWriter) -> None:
    assert writer.simulated


def test_the_name_tells_the_versions_of_all_prompts(writer: ArmWriter) -> None:
    assert all(f"{name}@" in writer.name for name in (REFINE, SOLVE, ALIGN))


def test_equal_requests_have_equal_answers(writer: ArmWriter) -> None:
    assert writer.aligned(TRAJECTORY, WRONG, 3) == writer.aligned(TRAJECTORY, WRONG, 3)


def test_a_model_can_write_all_three_arms(writer: ArmWriter) -> None:
    texts = [
        writer.refined(TRAJECTORY, WRONG, 1),
        writer.synthesized(TRAJECTORY.problem, 1),
        writer.aligned(TRAJECTORY, WRONG, 1),
    ]
    assert all(texts)


def test_a_model_can_not_respell(writer: ArmWriter) -> None:
    assert not isinstance(writer, Respeller)


@pytest.mark.parametrize("name", [REFINE, ALIGN])
def test_a_prompt_of_repair_asks_for_the_students_solution(name: str) -> None:
    assert study_prompt(name).placeholders == {"key", "problem", "solution"}


def test_an_oracle_of_an_unknown_kind_is_refused() -> None:
    with (
        pytest.raises(FieldError, match=r"oracles\.strong\.kind"),
        opened_writers({"strong": {"kind": "magic"}}),
    ):
        pass
