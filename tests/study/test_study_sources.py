"""Problems from files: drawn by seed, kept apart from those of the evaluation."""

import json
from pathlib import Path

import pytest

from services.embedded.study.sources import FileProblems, given_texts
from shared.errors import FieldError, NotFoundError
from shared.study.config import ProblemSettings, StudyConfig, to_config


def problems(folder: Path, train: list[str], held_out: list[str], *, rates: bool = False) -> FileProblems:
    """Files of problems with these texts."""
    paths = [folder / "train.jsonl", folder / "held_out.jsonl"]
    for path, texts in zip(paths, (train, held_out), strict=True):
        rows = ({"id": f"p{i}", "problem": text, "gold": "1"} for i, text in enumerate(texts))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ProblemSettings("file", 3, (1,), 2, 7, str(paths[0]), str(paths[1]))
    return FileProblems(settings, rates)


def given_config(folder: Path, name: str) -> StudyConfig:
    """A study with an arm of this field, and a file in which one of two problems has the field `other`."""
    rows = [{"id": "p0", "problem": "a", "gold": "1", "other": "by somebody"}, {"problem": "b", "gold": "1"}]
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arms = [{"name": "native"}, {"name": "theirs", "maker": "given", "field": name}]
    source = {"kind": "file", "file": str(path), "count": 2}
    student = {"models": ["default"]}
    content = {"name": "t", "losses": [], "count": 2, "problems": source, "student": student, "arms": arms}
    return to_config(content)


def test_a_draw_takes_as_many_problems_as_wanted(tmp_path: Path) -> None:
    found = problems(tmp_path, [f"t{i}" for i in range(9)], ["h"]).draw(1)
    assert len({one.id for one in found}) == 3


def test_draws_of_other_seeds_differ(tmp_path: Path) -> None:
    source = problems(tmp_path, [f"t{i}" for i in range(50)], ["h"])
    assert source.draw(1) != source.draw(2)


def test_a_problem_in_both_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="remove it from one of the two"):
        problems(tmp_path, ["a", "b"], ["b"]).held_out(7)


def test_rates_are_chosen_on_problems_that_the_evaluation_leaves_out(tmp_path: Path) -> None:
    held_out = [f"h{i}" for i in range(6)]
    ours = problems(tmp_path, ["t"], held_out).held_out(7)
    others = problems(tmp_path, ["t"], held_out, rates=True).held_out(7)
    assert {one.id for one in ours} | {one.id for one in others} == {f"p{i}" for i in range(6)}
    assert {one.id for one in ours}.isdisjoint(one.id for one in others)


def test_a_bare_name_is_a_file_beside_the_shipped_configs() -> None:
    found = FileProblems(ProblemSettings("file", 60, file="gsm8k-test-60.jsonl")).draw(1)
    assert len(found) == 60


def test_given_texts_are_those_of_the_lines_that_have_them(tmp_path: Path) -> None:
    assert given_texts(given_config(tmp_path, "other")) == {"other": {"p0": "by somebody"}}


def test_a_field_of_texts_that_no_problem_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="'another'"):
        given_texts(given_config(tmp_path, "another"))


def test_a_line_without_gold_is_named(tmp_path: Path) -> None:
    source = problems(tmp_path, ["a"], ["h"])
    Path(source.settings.file or "").write_text('{"problem": "a"}\n')
    with pytest.raises(FieldError, match="line 1, gold"):
        source.draw(1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    settings = ProblemSettings("file", 3, file=str(tmp_path / "none.jsonl"))
    with pytest.raises(NotFoundError, match=r"problems\.file"):
        FileProblems(settings).draw(1)
