"""Training rows: which shapes are read, and how a bad one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.inference.prompting import StudentTemplate
from services.trainer.rows import read_rows
from shared.domain import Message
from shared.domain.training import TrainingRow
from shared.errors import FieldError, NotFoundError

PLAIN = StudentTemplate()
USER = {"role": "user", "content": "2 + 2?"}
ASSISTANT = {"role": "assistant", "content": "4"}


def written(folder: Path, *items: Any) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(item) + "\n" for item in items))
    return file


@pytest.mark.parametrize(
    "item",
    [
        {"prompt": "2 + 2?", "completion": "4"},
        {"prompt": [USER], "completion": "4"},
        {"prompt": [USER], "completion": [ASSISTANT]},
        {"messages": [USER, ASSISTANT]},
    ],
)
def test_every_accepted_shape_means_the_same_row(tmp_path: Path, item: Any) -> None:
    row = TrainingRow((Message("user", "2 + 2?"),), "4")
    assert list(read_rows(written(tmp_path, item), PLAIN)) == [(1, row)]


def test_a_plain_prompt_gets_the_students_template(tmp_path: Path) -> None:
    file = written(tmp_path, {"prompt": "2 + 2?", "completion": "4"})
    template = StudentTemplate("Be brief.", "Put it in a box.")
    assert [row.prompt for _, row in read_rows(file, template)] == [template.prompt("2 + 2?").messages]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"prompt": "2 + 2?"}, "line 2: completion"),
        ({"prompt": "2 + 2?", "completion": ""}, "line 2: completion"),
        ({"prompt": " ", "completion": "4"}, "line 2: prompt"),
        ({"prompt": [{"role": "robot", "content": "x"}], "completion": "4"}, "line 2: prompt[0].role"),
        ({"messages": [USER]}, "line 2: messages"),
        ({"messages": [USER, {"role": "assistant", "content": 4}]}, "line 2: messages[1].content"),
        ([1], "line 2: line"),
    ],
)
def test_a_bad_row_is_named_by_line_and_field(tmp_path: Path, item: Any, field: str) -> None:
    file = written(tmp_path, {"prompt": "2 + 2?", "completion": "4"}, item)
    with pytest.raises(FieldError) as caught:
        list(read_rows(file, PLAIN))
    assert caught.value.field == field


def test_a_file_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="hold no example"):
        list(read_rows(written(tmp_path), PLAIN))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no file"):
        list(read_rows(tmp_path / "none.jsonl", PLAIN))
