"""The layout of one record: native and refined side by side."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import EGGS, made_record

from services.embedded.report.rows import rows
from services.embedded.report.words import changed
from shared.record import validate


def text_of(pieces: list[list[str]]) -> str:
    return "".join(text for text, _ in pieces)


def marked(pieces: list[list[str]], mark: str) -> list[str]:
    return [text for text, marks in pieces if mark in marks]


RECORDS = {
    "kept": made_record(),
    "in a step": made_record(outcome="repaired", edits=[("13 ducks", "9 ducks")], wrong=0),
    "whole steps": made_record(
        outcome="regenerated", edits=[("\n".join(EGGS), "16 - 3 - 4 = 9\n9 * 2 = 18")]
    ),
    "nothing written": made_record(steps=()),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_made_for_these_tests_follows_the_published_schema(name: str) -> None:
    validate(RECORDS[name])


def test_steps_without_an_edit_are_shown_once() -> None:
    laid_out = rows(made_record())
    assert [text_of(row["same"]) for row in laid_out] == list(EGGS)


def test_an_edit_within_a_step_leaves_the_other_step_alone() -> None:
    first, second = rows(RECORDS["in a step"])
    assert text_of(first["refined"]) == EGGS[0].replace("13 ducks", "9 ducks")
    assert "same" in second


def test_only_the_words_that_differ_are_marked_as_changed() -> None:
    row = rows(RECORDS["in a step"])[0]
    assert (marked(row["native"], "c"), marked(row["refined"], "c")) == (["13"], ["9"])


def test_steps_that_one_edit_covers_become_one_row() -> None:
    assert [row["steps"] for row in rows(RECORDS["whole steps"])] == [[0, 1]]


def test_a_step_put_in_at_the_end_is_shown_with_the_last_step() -> None:
    record = made_record(outcome="repaired", edits=[(EGGS[1], EGGS[1] + "\nThe answer is 18")])
    assert text_of(rows(record)[-1]["refined"]).endswith("The answer is 18")


def test_the_wrong_part_of_a_step_is_marked() -> None:
    record = made_record(wrong=0)
    record["diagnosis"]["steps"][0]["span"] = [EGGS[0].index("16 - 3"), EGGS[0].index(" = 13")]
    assert marked(rows(record)[0]["same"], "w") == ["16 - 3"]


def test_the_rewriter_and_the_author_of_an_edit_are_named() -> None:
    assert rows(RECORDS["in a step"])[0]["by"] == ["reference_graft (reference)"]


def test_texts_with_little_in_common_differ_as_a_whole() -> None:
    assert changed("She has 13 eggs", "Total: $18.") == ([(0, 15)], [(0, 11)])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_rows_hold_the_whole_native_and_the_whole_refined_text(data: st.DataObject) -> None:
    steps = data.draw(
        st.lists(st.text("ab 1=", min_size=1, max_size=12), min_size=1, max_size=5, unique=True)
    )
    native = "\n".join(steps)
    start = data.draw(st.integers(0, len(native)))
    old = native[start : data.draw(st.integers(start, len(native)))]
    new = data.draw(st.text("cd 2=", max_size=12))
    record = made_record(steps, outcome="repaired", edits=[(old, new)])
    laid_out = rows(record)
    sides = {
        side: "\n".join(text_of(row[side] if side in row else row["same"]) for row in laid_out)
        for side in ("native", "refined")
    }
    assert (sides["native"].replace("\n", ""), sides["refined"].replace("\n", "")) == (
        native.replace("\n", ""),
        record["refined"]["text"].replace("\n", ""),
    )


def test_a_step_that_loses_all_its_text_has_an_empty_refined_side() -> None:
    (only,) = rows(made_record(["1"], outcome="repaired", edits=[("1", "")]))
    assert (text_of(only["native"]), only["refined"]) == ("1", [])
