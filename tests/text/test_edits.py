"""Guarantee 1: outside the declared edits the text is untouched, and the inverse edits give it back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.domain import Edit, Problem, Span, Trajectory
from shared.errors import IntegrityError
from shared.text.edits import (
    apply,
    check_untouched,
    inverse,
    map_spans,
    map_steps,
    preserved_fraction,
    refined_spans,
)
from shared.text.segmentation import join_steps, segment

# Astral, combining, right-to-left, joined emoji, every newline and the replacement character.
ODD = ["\r\n", "\x85", "\u2028", "e\u0301", "𝟛", "👩‍👩‍👧", "\u202e", "\ufeff", "\ufffd", "ß", "\u0000", "$x$"]
TEXT = st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=6)), max_size=10).map("".join)
STEP = TEXT.filter(lambda text: bool(text.strip()))
JOINERS = st.sampled_from(["\n", "\n\n", "\r\n", " ", "\u2028", "\n  \n"])


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, tuple[Edit, ...]]:
    """A text and edits that fit it."""
    text = draw(TEXT)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    spans = [Span(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    return text, tuple(Edit(s, s.of(text), draw(TEXT), "rules", "test") for s in spans)


@st.composite
def edited_steps(draw: st.DrawFn) -> tuple[Trajectory, tuple[Edit, ...]]:
    """Given steps of which some are replaced or dropped as a whole, some in a part, some extended."""
    joiner = draw(JOINERS)
    text, steps = join_steps(draw(st.lists(STEP, min_size=1, max_size=6)), joiner)
    edits = []
    for step in steps:
        kind = draw(st.sampled_from(["keep", "replace", "part", "extend", "drop"]))
        span = {
            "replace": step.span,
            "drop": step.span,
            "extend": Span(step.span.end, step.span.end),
            "part": Span(step.span.start, step.span.start + (len(step.span) + 1) // 2),
        }.get(kind)
        if span is not None:
            after = "" if kind == "drop" else draw(STEP)
            edits.append(Edit(span, span.of(text), after, "rules", "test"))
    return Trajectory("t", 1, Problem("p"), text, steps, joiner), tuple(edits)


@settings(deadline=None, max_examples=300)
@given(edited())
def test_the_inverse_edits_give_the_native_text_back(case: tuple[str, tuple[Edit, ...]]) -> None:
    text, edits = case
    assert apply(apply(text, edits), inverse(text, edits)) == text


@settings(deadline=None, max_examples=300)
@given(edited())
def test_outside_the_edits_every_character_stays(case: tuple[str, tuple[Edit, ...]]) -> None:
    text, edits = case
    refined, written = apply(text, edits), refined_spans(edits)
    gaps = zip([0, *(e.span.end for e in edits)], [*(e.span.start for e in edits), len(text)], strict=True)
    kept = zip([0, *(s.end for s in written)], [*(s.start for s in written), len(refined)], strict=True)
    assert [text[a:b] for a, b in gaps] == [refined[a:b] for a, b in kept]
    assert [span.of(refined) for span in written] == [edit.after for edit in edits]


@settings(deadline=None)
@given(edited())
def test_inverting_twice_changes_nothing(case: tuple[str, tuple[Edit, ...]]) -> None:
    text, edits = case
    assert inverse(apply(text, edits), inverse(text, edits)) == edits


@settings(deadline=None)
@given(edited())
def test_declared_edits_pass_the_check(case: tuple[str, tuple[Edit, ...]]) -> None:
    text, edits = case
    check_untouched(text, apply(text, edits), edits)


@settings(deadline=None)
@given(edited(), st.integers(0, 200), st.characters(exclude_categories=["Cs"]))
def test_one_undeclared_character_is_found(
    case: tuple[str, tuple[Edit, ...]], place: int, character: str
) -> None:
    text, edits = case
    refined = apply(text, edits)
    at = place % (len(refined) + 1)
    changed = refined[:at] + character + refined[at:]
    with pytest.raises(IntegrityError):
        check_untouched(text, changed, edits)


@settings(deadline=None)
@given(TEXT, TEXT)
def test_an_edit_with_another_before_is_refused(text: str, other: str) -> None:
    assume(text != other)
    with pytest.raises(IntegrityError):
        apply(text, (Edit(Span(0, len(text)), other, "after", "rules", "test"),))


@settings(deadline=None)
@given(edited())
def test_the_preserved_fraction_counts_native_characters_outside_the_edits(
    case: tuple[str, tuple[Edit, ...]],
) -> None:
    text, edits = case
    outside = len(apply(text, [Edit(e.span, e.before, "", e.author, e.rewriter) for e in edits]))
    assert preserved_fraction(text, edits) == pytest.approx(outside / len(text) if text else 1.0)


@settings(deadline=None)
@given(edited())
def test_an_untouched_span_reads_the_same_where_it_has_moved(case: tuple[str, tuple[Edit, ...]]) -> None:
    text, edits = case
    bounds = [0, *(place for e in edits for place in (e.span.start, e.span.end)), len(text)]
    between = [Span(a, b) for a, b in list(pairwise(bounds))[::2] if a < b]
    refined = apply(text, edits)
    assert [s.of(refined) for s in map_spans(between, edits)] == [s.of(text) for s in between]


def test_a_span_with_an_edit_inside_grows_with_it() -> None:
    edits = (Edit(Span(6, 8), "14", "15.50", "rules", "arithmetic"),)
    assert map_spans([Span(0, 5), Span(4, 10), Span(8, 11), Span(6, 8)], edits) == (
        Span(0, 5),
        Span(4, 13),
        Span(11, 14),
        Span(6, 11),
    )


def test_overlapping_edits_are_refused() -> None:
    edits = (Edit(Span(0, 3), "abc", "", "a", "r"), Edit(Span(2, 4), "cd", "", "a", "r"))
    with pytest.raises(IntegrityError):
        apply("abcdef", edits)


def test_edits_out_of_order_are_refused() -> None:
    edits = (Edit(Span(3, 4), "d", "", "a", "r"), Edit(Span(0, 1), "a", "", "a", "r"))
    with pytest.raises(IntegrityError):
        apply("abcdef", edits)


def test_an_edit_beyond_the_end_is_refused() -> None:
    with pytest.raises(IntegrityError):
        apply("abc", (Edit(Span(3, 5), "", "x", "a", "r"),))


def test_steps_of_a_segmented_text_are_segmented_anew() -> None:
    text = "He has 3. He buys 4."
    trajectory = Trajectory("t", 1, Problem("p"), text, segment(text))
    edits = (Edit(Span(18, 19), "4", "5. He eats 1", "rules", "test"),)
    assert [step.text for step in map_steps(trajectory, edits)] == ["He has 3.", "He buys 5.", "He eats 1."]


@settings(deadline=None, max_examples=300)
@given(edited_steps())
def test_between_tracked_steps_stands_white_space_only(case: tuple[Trajectory, tuple[Edit, ...]]) -> None:
    trajectory, edits = case
    refined, steps = apply(trajectory.text, edits), map_steps(trajectory, edits)
    assert [step.text for step in steps] == [step.span.of(refined) for step in steps]
    bounds = [0, *(place for step in steps for place in (step.span.start, step.span.end)), len(refined)]
    assert bounds == sorted(bounds)
    outside = [refined[a:b] for a, b in list(pairwise(bounds))[::2]]
    assert not "".join(outside).strip()


@settings(deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=5), JOINERS)
def test_without_edits_given_steps_stay(given_steps: list[str], joiner: str) -> None:
    text, steps = join_steps(given_steps, joiner)
    assert map_steps(Trajectory("t", 1, Problem("p"), text, steps, joiner), ()) == steps


def tracked(*edits: tuple[int, int, str]) -> list[str]:
    text, steps = join_steps(["a one", "b two", "c six"], "\n")
    trajectory = Trajectory("t", 1, Problem("p"), text, steps, "\n")
    made = tuple(Edit(Span(a, b), text[a:b], after, "rules", "test") for a, b, after in edits)
    return [step.text for step in map_steps(trajectory, made)]


def test_a_word_may_change_inside_a_given_step() -> None:
    assert tracked((8, 11, "four")) == ["a one", "b four", "c six"]


def test_a_dropped_step_is_gone() -> None:
    assert tracked((6, 12, "")) == ["a one", "c six"]


def test_a_replaced_tail_brings_its_own_steps() -> None:
    assert tracked((6, 17, "b 2\nc 3\nd 4")) == ["a one", "b 2", "c 3", "d 4"]


def test_an_appended_line_is_a_further_step() -> None:
    assert tracked((17, 17, "\nd 4")) == ["a one", "b two", "c six", "d 4"]


def test_an_edit_over_two_steps_belongs_to_the_first() -> None:
    assert tracked((2, 8, "1, b ")) == ["a 1, b ", "two", "c six"]
