"""Every accepted shape of input becomes the same kind of trajectory."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.domain import Trajectory
from shared.errors import FieldError
from shared.jsonl import BadLine
from shared.record import schema
from shared.shapes import Reading, read_trajectories, to_trajectory

USER = {"role": "user", "content": "What is 2 + 2?"}
ASSISTANT = {"role": "assistant", "content": "It is 4. So 4."}
SYSTEM = {"role": "system", "content": "Be brief."}
TEXT_SHAPES: dict[str, dict[str, Any]] = {
    "text": {"problem": "What is 2 + 2?", "text": "It is 4. So 4."},
    "solution": {"problem": "What is 2 + 2?", "solution": "It is 4. So 4."},
    "prompt and completion": {"prompt": "What is 2 + 2?", "completion": "It is 4. So 4."},
    "conversational prompt": {"prompt": [SYSTEM, USER], "completion": [ASSISTANT]},
    "messages": {"messages": [SYSTEM, USER, ASSISTANT]},
    "a later turn": {"messages": [USER, ASSISTANT, USER, ASSISTANT, USER]},
    "problem and messages": {"problem": "What is 2 + 2?", "messages": [SYSTEM, ASSISTANT]},
    "nulls": {"problem": "What is 2 + 2?", "steps": None, "text": "It is 4. So 4.", "gold": None},
}
STEP_SHAPES: dict[str, dict[str, Any]] = {
    "steps": {"problem": "p", "steps": ["a", "b"]},
    "steps with their text": {"problem": "p", "steps": ["a", "b"], "text": "a\nb"},
    "completions": {"prompt": "p", "completions": ["a", "b"], "labels": [True, False]},
}


@pytest.mark.parametrize("item", TEXT_SHAPES.values(), ids=TEXT_SHAPES.keys())
def test_a_text_is_kept_and_segmented(item: dict[str, Any]) -> None:
    found = to_trajectory(item, 7)
    assert (found.problem.text, found.text) == ("What is 2 + 2?", "It is 4. So 4.")
    assert [step.text for step in found.steps] == ["It is 4.", "So 4."]
    assert (found.joiner, found.line, found.id) == (None, 7, "line-7")


@pytest.mark.parametrize("item", STEP_SHAPES.values(), ids=STEP_SHAPES.keys())
def test_given_steps_are_the_steps(item: dict[str, Any]) -> None:
    found = to_trajectory(item, 1)
    assert ([step.text for step in found.steps], found.text, found.joiner) == (["a", "b"], "a\nb", "\n")


@pytest.mark.parametrize("item", [*TEXT_SHAPES.values(), *STEP_SHAPES.values()])
def test_the_published_request_schema_accepts_the_shape(item: dict[str, Any]) -> None:
    Draft202012Validator(schema("refinement_request.v1")).validate(item)


def test_steps_with_line_breaks_are_joined_by_a_blank_line() -> None:
    assert to_trajectory({"problem": "p", "steps": ["a\nb", "c"]}, 1).text == "a\nb\n\nc"


def test_a_given_joiner_joins_the_steps() -> None:
    assert to_trajectory({"problem": "p", "steps": ["a", "b"], "joiner": " "}, 1).text == "a b"


def test_a_joiner_is_found_where_text_and_steps_are_given() -> None:
    assert (
        to_trajectory({"problem": "p", "steps": ["a", "b", "c"], "text": "a\r\nb\r\nc"}, 1).joiner == "\r\n"
    )


def test_given_steps_can_be_cut_anew() -> None:
    found = to_trajectory({"problem": "p", "steps": ["a is 1\nb is 2"]}, 1, Reading(resegment=True))
    assert ([step.text for step in found.steps], found.joiner) == (["a is 1", "b is 2"], None)


def test_one_of_several_authors_is_chosen() -> None:
    item = {"problem": "p", "authors": {"x": {"text": "one"}, "y": {"steps": ["two", "three"]}}}
    found = to_trajectory(item, 1, Reading(author="y"))
    assert (found.text, found.generator) == ("two\nthree", "y")


def test_other_fields_are_carried() -> None:
    item = {
        "id": 5,
        "problem": "p",
        "text": "t",
        "gold": "4",
        "reference": "r",
        "generator": "m",
        "extra": [1],
    }
    found = to_trajectory(item, 1)
    assert (found.id, found.problem.gold, found.problem.reference, found.generator) == ("5", "4", "r", "m")


def test_text_is_never_normalised() -> None:
    odd = " e\u0301\r\n\u2028 x\x85 "
    assert to_trajectory({"problem": "p", "text": odd}, 1).text == odd


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no problem": ({"text": "t"}, "problem"),
    "empty problem": ({"problem": " \n", "text": "t"}, "problem"),
    "problem of a wrong type": ({"problem": 3, "text": "t"}, "problem"),
    "no solution": ({"problem": "p"}, "solution"),
    "empty solution": ({"problem": "p", "text": " "}, "solution"),
    "no steps": ({"problem": "p", "steps": []}, "solution"),
    "steps as a string": ({"problem": "p", "steps": "a"}, "steps"),
    "a step that is no string": ({"problem": "p", "steps": ["a", None]}, "steps[1]"),
    "steps that aren't the text": ({"problem": "p", "steps": ["a", "b"], "text": "a c"}, "steps"),
    "text against solution": ({"problem": "p", "text": "a", "solution": "b"}, "solution"),
    "gold as a number": ({"problem": "p", "text": "a", "gold": 4}, "gold"),
    "a boolean id": ({"id": True, "problem": "p", "text": "a"}, "id"),
    "a reference list": ({"problem": "p", "text": "a", "reference": ["r"]}, "reference"),
    "a message without content": ({"messages": [USER, {"role": "assistant"}]}, "messages[1].content"),
    "a message that is a string": ({"messages": ["hi"]}, "messages[0]"),
    "nobody answers": ({"messages": [SYSTEM, USER]}, "messages"),
    "nobody asks": ({"messages": [SYSTEM, ASSISTANT]}, "messages"),
    "an empty prompt": ({"prompt": "", "completion": "a"}, "prompt"),
    "several authors": ({"problem": "p", "authors": {"x": {"text": "a"}}}, "authors"),
    "authors as a list": ({"problem": "p", "authors": []}, "authors"),
}


@pytest.mark.parametrize(("item", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_used_is_named(item: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        to_trajectory(item, 1)
    assert caught.value.field == field


def test_a_bad_line_stands_in_its_place_among_the_good_ones() -> None:
    lines = [{"problem": "p", "text": "a"}, {"problem": "p"}, {"problem": "p", "text": "a"}]
    stream = io.BytesIO("\n".join(json.dumps(line) for line in lines).encode())
    found = list(read_trajectories(stream))
    assert [type(item) for item in found] == [Trajectory, BadLine, Trajectory]
    assert [item.line for item in found] == [1, 2, 3]


def test_equal_ids_are_separate_trajectories() -> None:
    stream = io.BytesIO(b'{"id":"x","problem":"p","text":"a"}\n' * 2)
    assert [(item.line, getattr(item, "id", None)) for item in read_trajectories(stream)] == [
        (1, "x"),
        (2, "x"),
    ]
