"""The model rewrites one step; nothing else that it writes finds a way into the solution."""

import asyncio
import json
from dataclasses import replace

import pytest
from canned import CannedModel
from hypothesis import given
from hypothesis import strategies as st

from services.oracle.base import ServedRewriter
from services.oracle.rewriters.habits import habit_lines
from services.oracle.rewriters.oracle_rewrite import OracleRewrite, RewriteSettings, in_place_of
from shared.domain import (
    Correctness,
    Diagnosis,
    Finding,
    NativeBand,
    Problem,
    ScorerInfo,
    StepVerdict,
    StudentProfile,
    Trajectory,
    Verdict,
)
from shared.errors import FieldError
from shared.ports import RewriteRequest
from shared.text.edits import apply, check_untouched, map_steps
from shared.text.notation import observe
from shared.text.segmentation import join_steps, segment

DUCKS = Problem(
    "Janet's ducks lay 16 eggs. She eats three and bakes with four. She sells the rest for $2 per egg.",
    "18",
    "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 * 2 = $18.",
)
STEPS = ["Step 1: She uses 3 + 4 = 7 eggs.", "Step 2: That leaves 16 - 3 = 13 eggs.", "Step 3: 13 * 2 = $26."]
RIGHT = "That leaves 16 - 7 = 9 eggs."


def asked(steps=STEPS, first=1, joiner="\n", **more):
    text, cut = join_steps(steps, joiner)
    native = Trajectory("t", 1, DUCKS, text, cut, joiner)
    found = [
        Finding(first, cut[first].span, StepVerdict.WRONG, "16 - 3 forgets the muffins", "critic", 0.8),
        Finding(first, cut[first].span, StepVerdict.WRONG, "expected 16 - 3 - 4 = 9", "reference", 0.7),
        Finding(2, cut[2].span, StepVerdict.WRONG, "26 is no quantity of the reference", "reference", 0.7),
    ]
    diagnosis = Diagnosis(first, 0.8, tuple(found))
    return RewriteRequest(native, Verdict(Correctness.INCORRECT), diagnosis, None, 7, **more)


def answer(step):
    return json.dumps({"step": step})


def proposed(request, answers, **settings):
    model = CannedModel(lambda _, index: answers[index], name="big-model")
    rewriter = OracleRewrite(model, RewriteSettings(n=len(answers), **settings))

    async def all_of_them():
        return [candidate async for candidate in rewriter.propose(request)]

    return asyncio.run(all_of_them())


def refined(request, candidate):
    return apply(request.trajectory.text, candidate.edits)


def prompt_of(request, **settings):
    said = OracleRewrite(CannedModel(lambda *_: ""), RewriteSettings(**settings)).asked(
        request, request.diagnosis.first_error
    )
    return "\n".join(message.content for message in said.messages)


def test_the_rewriter_is_one_of_the_services():
    assert isinstance(OracleRewrite(CannedModel(lambda *_: "")), ServedRewriter)


def test_the_wrong_step_is_replaced_and_its_marker_kept():
    request = asked()
    (candidate,) = proposed(request, [answer(RIGHT)], carry=False)
    assert refined(request, candidate).splitlines() == [STEPS[0], f"Step 2: {RIGHT}", STEPS[2]]


def test_the_edit_is_exactly_the_span_of_the_step():
    request = asked()
    (candidate,) = proposed(request, [answer(RIGHT)], carry=False)
    assert [edit.span for edit in candidate.edits] == [request.trajectory.steps[1].span]


def test_the_corrected_number_is_carried_on_through_later_steps():
    request = asked()
    (candidate,) = proposed(request, [answer(RIGHT)])
    assert refined(request, candidate).splitlines()[2] == "Step 3: 9 * 2 = $18."


def test_the_model_answers_for_its_step_and_the_rules_for_what_they_carry():
    (candidate,) = proposed(asked(), [answer(RIGHT)])
    assert {edit.author for edit in candidate.edits[:1]} == {"oracle:big-model"}
    assert {edit.author for edit in candidate.edits[1:]} == {"rules"}


def test_every_changed_step_counts_as_touched():
    (candidate,) = proposed(asked(), [answer(RIGHT)])
    assert candidate.touched == (1, 2)


def test_a_value_that_an_earlier_step_holds_is_not_carried_away():
    steps = ["3 + 4 = 7 eggs are used.", "16 - 9 = 7 eggs are left.", "So 7 eggs are used."]
    request = asked(steps)
    (candidate,) = proposed(request, [answer("16 - 7 = 9 eggs are left.")])
    assert refined(request, candidate).splitlines()[2] == steps[2]


def test_lines_beyond_those_of_the_native_step_are_cut():
    request = asked()
    (candidate,) = proposed(
        request, [answer(f"{RIGHT}\nStep 3: 9 * 2 = $18.\nThe answer is 18.")], carry=False
    )
    assert refined(request, candidate).splitlines() == [STEPS[0], f"Step 2: {RIGHT}", STEPS[2]]


def test_a_marker_that_the_model_repeats_is_dropped():
    assert in_place_of(STEPS[1], answer(f"Step 2: {RIGHT}")) == f"Step 2: {RIGHT}"


def test_a_step_number_that_the_student_does_not_write_is_dropped():
    assert in_place_of("That leaves 13 eggs.", answer(f"Step 2: {RIGHT}")) == RIGHT


def test_white_space_around_the_native_step_stays():
    assert in_place_of("  - 1 + 1 = 3 \n", answer(" 1 + 1 = 2")) == "  - 1 + 1 = 2 \n"


@pytest.mark.parametrize("native", ["", "  ", "1. ", "\n"])
def test_a_native_step_without_words_gets_some(native):
    assert (in_place_of(native, answer("x")) or "").strip().endswith("x")


@pytest.mark.parametrize("bad", ["", RIGHT, answer(" \n "), answer(3), '{"step": "a", "more": "b"}', "{}"])
def test_what_is_no_step_proposes_nothing(bad):
    assert proposed(asked(), [bad]) == []


def test_equal_steps_and_the_native_step_are_proposed_once_and_never():
    answers = [
        answer(RIGHT),
        answer(f" {RIGHT}"),
        answer("That leaves 16 - 3 = 13 eggs."),
        answer("9 are left."),
    ]
    assert len(proposed(asked(), answers)) == 2


@pytest.mark.parametrize("first", [None, -1])
def test_without_a_first_wrong_step_the_model_is_not_asked(first):
    model = CannedModel(lambda *_: answer(RIGHT))
    request = replace(asked(), diagnosis=Diagnosis(first, 0.5))

    async def all_of_them():
        return [candidate async for candidate in OracleRewrite(model).propose(request)]

    assert (asyncio.run(all_of_them()), model.asked) == ([], [])


@given(st.text(max_size=60), st.sampled_from([0, 1, 2]))
def test_nothing_outside_the_step_changes_whatever_the_model_writes(text, first):
    request = asked(first=first)
    for candidate in proposed(request, [answer(text)], carry=False):
        native = request.trajectory
        check_untouched(native.text, refined(request, candidate), candidate.edits)
        assert [edit.span for edit in candidate.edits] == [native.steps[first].span]


def test_a_segmented_solution_keeps_the_number_of_its_steps():
    text = "\n".join(STEPS)
    request = asked()
    request = replace(request, trajectory=Trajectory("t", 1, DUCKS, text, segment(text)))
    (candidate,) = proposed(request, [answer(f"{RIGHT}\n\nAnd more.\n1. Much more.")])
    assert len(map_steps(request.trajectory, candidate.edits)) == 3


def test_closing_early_stops_the_generation():
    model = CannedModel(lambda _, index: answer(f"16 - 7 = 9, said {index} times"))

    async def the_first():
        candidates = OracleRewrite(model, RewriteSettings(n=8)).propose(asked())
        await anext(candidates)
        await candidates.aclose()

    asyncio.run(the_first())
    assert (model.written, model.figures.running) == (1, 0)


def test_candidates_come_in_the_order_of_the_samples():
    model = CannedModel(lambda _, index: answer(f"variant {index}"), order=[2, 1, 0])

    async def all_of_them():
        rewriter = OracleRewrite(model, RewriteSettings(n=3))
        return [one.edits[0].after async for one in rewriter.propose(asked())]

    assert asyncio.run(all_of_them()) == [f"Step 2: variant {index}" for index in range(3)]


def test_neither_gold_nor_reference_nor_what_quotes_them_is_shown():
    said = prompt_of(asked())
    secrets = ["<<16-3-4=9>>", "final-answer", "expected 16 - 3 - 4", "$18"]
    assert [secret for secret in secrets if secret in said] == []


def test_gold_and_reference_are_shown_where_that_is_asked_for():
    said = prompt_of(asked(), show_reference=True)
    secrets = ["<<16-3-4=9>>", "final-answer", "expected 16 - 3 - 4"]
    assert [secret for secret in secrets if secret not in said] == []


def test_the_model_sees_the_steps_before_and_the_evidence_and_nothing_of_later_steps():
    said = prompt_of(asked())
    shown = [STEPS[0], "That leaves 16 - 3 = 13 eggs.", "16 - 3 forgets the muffins", STEPS[2]]
    assert [text in said for text in shown] == [True, True, True, False]


def test_steps_of_other_solutions_are_shown_as_examples_up_to_a_number():
    said = prompt_of(asked(examples=("Tom has 4 x 3 = 12.", "So 5 are left.", "And so on.")), examples=2)
    assert [text in said for text in ("Tom has 4 x 3", "So 5 are left", "And so on")] == [True, True, False]


def test_habits_are_told_only_where_the_steps_show_them():
    assert habit_lines(["7×2 = 14."], None) == [
        "The sign of multiplication is ×",
        "Operators stand without a space on either side",
        "The equals sign stands with a space on either side",
        "A step ends with a full stop",
    ]


def test_a_profile_tells_the_habits_that_the_steps_do_not_show():
    habits = observe([["So 3 x 4=<<3*4=12>>12"]]).pairs()
    info = ScorerInfo("n", "native", "d")
    profile = StudentProfile("s", "d", info, 200, NativeBand((1, 1, 1, 1)), 0.05, (), habits)
    assert "The sign of multiplication is x" in habit_lines(["no sums here"], profile)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"temperature": -0.1}, {"temperature": 0}, {"examples": -1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(FieldError, match=next(iter(wrong))):
        RewriteSettings(**wrong)
