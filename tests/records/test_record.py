"""Records follow their schema, come back as they were, and can't hide a change."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared.domain import (
    Correctness,
    Diagnosis,
    Edit,
    Finding,
    GateVerdict,
    Outcome,
    Problem,
    Refinement,
    StepStyle,
    StepVerdict,
    StyleLedger,
    Trajectory,
    Tried,
    Utility,
    Verdict,
)
from shared.errors import IntegrityError
from shared.record import Provenance, from_record, record_line, refined_steps, schema, to_record, validate
from shared.schema_check import compile_schema
from shared.text.edits import apply, preserved_fraction
from shared.text.segmentation import join_steps

PROVENANCE = Provenance("c0ffee", {"scorer": "proxy", "locator": "answer"}, "tiny@12ab", 7, "0.1.0")
LEDGER = StyleLedger(
    student="tiny@12ab",
    scorer="proxy",
    label="proxy",
    nll=12.5,
    tokens=10,
    ppl=3.49,
    quarters=(1.0, None, 2.0, 3.0),
    steps=(StepStyle(0, 12.5, 10),),
    rsr=0.4,
    drift=0.1,
    edit_drift=0.2,
    edit_cost=0.3,
)


def refinement(steps: list[str], after: str) -> Refinement:
    text, placed = join_steps(steps, "\n")
    span = placed[-1].span
    edits = (Edit(span, span.of(text), after, "rules", "arithmetic"),)
    finding = Finding(0, placed[0].span, StepVerdict.WRONG, "12 * 5 is 60, not 65", "arithmetic", 0.9, "60")
    return Refinement(
        trajectory=Trajectory("a", 3, Problem("p", "60", None), text, placed, "\n", "tiny"),
        refined=apply(text, edits),
        outcome=Outcome.REPAIRED,
        reason=None,
        diagnosis=Diagnosis(0, 0.9, (finding,)),
        edits=edits,
        before=Verdict(Correctness.INCORRECT, None, "65"),
        after=Verdict(Correctness.CORRECT, "numbers agree", "60"),
        gold_source="given",
        style=LEDGER,
        utility=Utility(1.0, 0.2, 0.5, 0.9),
        gate=GateVerdict(True, 0.3, 0.8, 9),
        tried=(Tried("reference_graft", "not grounded"),),
        preserved=preserved_fraction(text, edits),
    )


SAMPLE = to_record(refinement(["a is 12", "12 * 5 = 65"], "12 * 5 = 60"), PROVENANCE)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.text(min_size=1))
def test_a_record_of_any_text_is_valid_and_comes_back(steps: list[str], after: str) -> None:
    given_one = refinement(steps, after)
    record = json.loads(record_line(to_record(given_one, PROVENANCE)))
    validate(record)
    assert from_record(record) == (given_one, PROVENANCE)


def test_a_record_without_style_is_valid() -> None:
    bare = replace(refinement(["a"], "b"), style=None, utility=None, gate=None)
    record = to_record(bare, PROVENANCE)
    validate(record)
    assert from_record(record)[0] == bare


def test_refined_steps_stand_in_the_refined_text() -> None:
    assert [step.text for step in refined_steps(SAMPLE)] == ["a is 12", "12 * 5 = 60"]


def test_equal_refinements_write_equal_bytes() -> None:
    other = Provenance("c0ffee", {"locator": "answer", "scorer": "proxy"}, "tiny@12ab", 7, "0.1.0")
    assert record_line(
        to_record(refinement(["a is 12", "12 * 5 = 65"], "12 * 5 = 60"), other)
    ) == record_line(SAMPLE)


def test_unknown_fields_are_allowed() -> None:
    validate({**SAMPLE, "later": 1})


def _drop(record: dict[str, Any]) -> None:
    del record["edits"]


def _outcome(record: dict[str, Any]) -> None:
    record["outcome"] = "fine"


def _undeclared(record: dict[str, Any]) -> None:
    record["refined"]["text"] = record["refined"]["text"].replace("a is", "b is")


def _before(record: dict[str, Any]) -> None:
    record["edits"][0]["before"] = "12 * 5 = 64"


def _normalised(record: dict[str, Any]) -> None:
    record["native"]["text"] += " "


def _span(record: dict[str, Any]) -> None:
    record["refined"]["steps"][1] = [3, 99]


def _preserved(record: dict[str, Any]) -> None:
    record["preserved"] = 1.0


def _negative(record: dict[str, Any]) -> None:
    record["native"]["steps"][0] = [-1, 2]


@pytest.mark.parametrize(
    "spoil", [_drop, _outcome, _undeclared, _before, _normalised, _span, _preserved, _negative]
)
def test_a_spoilt_record_is_refused(spoil: Callable[[dict[str, Any]], None]) -> None:
    record = copy.deepcopy(SAMPLE)
    spoil(record)
    with pytest.raises(IntegrityError):
        validate(record)


def test_nan_is_never_written() -> None:
    sick = replace(refinement(["a"], "b"), style=replace(LEDGER, nll=float("nan")))
    with pytest.raises(IntegrityError):
        record_line(to_record(sick, PROVENANCE))


@pytest.mark.parametrize("name", ["record.v1", "refinement_request.v1"])
def test_a_published_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("name", ["record.v1", "refinement_request.v1"])
def test_every_property_is_described(name: str) -> None:
    assert list(undescribed(schema(name))) == []


def undescribed(node: object, path: str = "") -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in undescribed(item, path)]
    if not isinstance(node, dict):
        return []
    here = [
        f"{path}.{key}"
        for key, value in node.get("properties", {}).items()
        if "description" not in value and "$ref" not in value
    ]
    return here + [found for key, value in node.items() for found in undescribed(value, f"{path}.{key}")]


def places(node: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths of everything in a record."""
    inner: list[tuple[str | int, object]] = []
    if isinstance(node, dict):
        inner = list(node.items())
    elif isinstance(node, list):
        inner = list(enumerate(node))
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """The sample with one value replaced by another, often of another type."""
    record = copy.deepcopy(SAMPLE)
    *path, last = draw(st.sampled_from(places(SAMPLE)[1:]))
    holder: Any = record
    for key in path:
        holder = holder[key]
    numbers = st.integers(-2, 3) | st.floats(-2, 2) | st.just(1.0)
    holder[last] = draw(
        st.none()
        | st.booleans()
        | numbers
        | st.text(max_size=3)
        | st.just([])
        | st.just({})
        | st.just([0, 1])
    )
    return record


@settings(deadline=None, max_examples=400)
@given(mutated())
def test_the_quick_validator_agrees_with_the_library_on_the_published_schema(record: dict[str, Any]) -> None:
    published = schema("record.v1")
    assert compile_schema(published).is_valid(record) == Draft202012Validator(published).is_valid(record)
