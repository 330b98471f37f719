"""Rewritten steps become declared edits that give exactly those steps."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.oracle.rewriters.script import Entry, edits_of, touched_by
from shared.domain import Problem, Trajectory
from shared.text.edits import apply, inverse
from shared.text.segmentation import join_steps

WORDS = st.lists(
    st.sampled_from(["so", "she", "has", "13", "eggs.", "4+5=9", "é😀", "$7"]), min_size=1, max_size=6
)
STEPS = st.lists(WORDS.map(" ".join), min_size=1, max_size=5)


def trajectory(steps):
    text, cut = join_steps(steps, "\n")
    return Trajectory("t", 1, Problem("p"), text, cut, "\n")


@st.composite
def scripts(draw):
    steps = draw(STEPS)
    entries = []
    for index, step in enumerate(steps):
        if draw(st.booleans()):
            entries.append(Entry(None, draw(WORDS.map(" ".join)), True))
        kind = draw(st.sampled_from(["keep", "tokens", "whole", "drop"]))
        new = draw(WORDS.map(" ".join))
        text = {"keep": step, "tokens": new, "whole": new, "drop": None}[kind]
        entries.append(Entry(index, text, kind in ("whole", "drop")))
    return trajectory(steps), entries


@given(scripts())
@settings(max_examples=300, deadline=None)
def test_the_edits_of_a_script_give_its_steps(case):
    native, entries = case
    edits = edits_of(native, entries, "x")
    refined = apply(native.text, edits)
    assert refined == "\n".join(entry.text for entry in entries if entry.text is not None)


@given(scripts())
@settings(max_examples=200, deadline=None)
def test_the_inverse_edits_of_a_script_give_the_native_text_back(case):
    native, entries = case
    edits = edits_of(native, entries, "x")
    assert apply(apply(native.text, edits), inverse(native.text, edits)) == native.text


def test_only_whole_tokens_change_within_a_step():
    native = trajectory(["she has 13 eggs left", "done"])
    (edit,) = edits_of(native, [Entry(0, "she has 9 eggs left"), Entry(1, "done")], "x")
    assert (edit.before, edit.after) == ("13", "9")


def test_numbered_steps_follow_on_after_an_insertion():
    native = trajectory(["Step 1: a", "Step 2: b"])
    entries = [Entry(0, "Step 1: a"), Entry(None, "Step 9: new", True), Entry(1, "Step 2: b")]
    assert apply(native.text, edits_of(native, entries, "x")) == "Step 1: a\nStep 2: new\nStep 3: b"


def test_an_inserted_step_counts_for_the_step_behind_it():
    native = trajectory(["a", "b"])
    assert touched_by(native, [Entry(0, "a"), Entry(None, "n", True), Entry(1, "b")]) == (1,)
