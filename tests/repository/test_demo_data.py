"""The solutions that are shipped: real, many, mixed, and with their licences."""

import json
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).parents[2] / "data" / "demo"
FILES = sorted(DEMO.glob("*.jsonl"))


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_holds_enough_solutions_to_fit_a_profile(path: Path) -> None:
    assert len(records(path)) >= 200


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_right_and_wrong_solutions_are_mixed(path: Path) -> None:
    assert {record["final_correct"] for record in records(path)} == {True, False}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_solution_is_there_twice(path: Path) -> None:
    ids = [record["id"] for record in records(path)]
    assert len(ids) == len(set(ids))


def test_every_licence_that_the_readme_names_is_there() -> None:
    said = (DEMO / "README.md").read_text()
    texts = sorted(path.name for path in DEMO.glob("LICENSE.*"))
    assert [name for name in texts if f"`{name}`" in said] == texts
