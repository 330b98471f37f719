"""Problem sets as people have them."""

import io
import json
from pathlib import Path

import pytest
from graded_letters import graded

from shared.domain import EvaluationProblem
from shared.errors import FieldError, NotFoundError
from shared.evaluation.lines import graded_line, to_graded
from shared.evaluation.problemsets import SHIPPED, load_set, read_set


def _read(*items: object) -> list[EvaluationProblem]:
    return read_set(io.BytesIO("".join(json.dumps(item) + "\n" for item in items).encode()))


@pytest.mark.parametrize(
    "item",
    [
        {"id": "1", "problem": "What?", "gold": "7"},
        {"unique_id": "1", "question": "What?", "answer": "7", "solution": "It is 7."},
        {"id": 1, "problem": "What?", "answer": 7},
    ],
)
def test_the_usual_names_of_fields_are_read(item: dict[str, object]) -> None:
    assert _read(item) == [EvaluationProblem("1", "What?", "7")]


def test_level_and_subject_are_groups() -> None:
    found = _read({"problem": "What?", "gold": "7", "level": 3, "subject": "Algebra"})
    assert found[0].groups == {"level": "3", "subject": "Algebra"}


def test_a_problem_without_an_id_is_named_by_its_line() -> None:
    assert _read({"problem": "What?", "gold": "7"})[0].id == "line-1"


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({"gold": "7"}, "line 2, problem: is missing"),
        ({"problem": "What?"}, "line 2, gold: is missing"),
        ({"problem": " ", "gold": "7"}, "line 2, problem: is empty"),
        ({"problem": "What?", "gold": True}, "line 2, gold: is a JSON boolean"),
        ({"problem": "What?", "gold": "7", "id": []}, "line 2, id: is a JSON array"),
        ({"problem": "What?", "gold": "7", "level": {}}, "line 2, level"),
        ({"problem": "What?", "gold": "7", "id": "one"}, "line 2, id: 'one' stands on line 1 already"),
        ([], "line 2, line: is a JSON array"),
    ],
)
def test_what_can_not_be_used_is_named_with_its_line(item: object, told: str) -> None:
    with pytest.raises(FieldError, match=told.replace("[", r"\[")):
        _read({"id": "one", "problem": "What?", "gold": "7"}, item)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(FieldError, match="the set is empty"):
        read_set(io.BytesIO(b"\n"))


def test_a_set_that_is_nowhere_is_told_with_the_names_of_those_that_are() -> None:
    with pytest.raises(NotFoundError, match="math-500"):
        load_set("math-5000")


@pytest.mark.parametrize(("name", "size"), [("math-500", 500), ("svamp-300", 300)])
def test_shipped_sets_are_whole(name: str, size: int) -> None:
    assert len(load_set(name)) == size


def test_every_shipped_set_has_a_licence_beside_it() -> None:
    from importlib import resources

    folder = Path(str(resources.files("shared.evaluation"))) / "sets"
    assert all((folder / f"LICENSE.{name.split('-')[0]}.MIT").is_file() for name in SHIPPED)


def test_a_graded_problem_survives_being_written() -> None:
    one = graded("a", "rwut", level="1")
    assert to_graded(json.loads(json.dumps(graded_line(one))), 1) == one
