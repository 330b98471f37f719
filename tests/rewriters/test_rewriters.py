"""What the rewriters without a language model propose, on solutions of the kind small models write."""

import pytest

from services.oracle.rewriters.arithmetic import Arithmetic
from services.oracle.rewriters.fit import fits, misread
from services.oracle.rewriters.operation import Operation
from services.oracle.rewriters.plan import plan_of
from services.oracle.rewriters.reference_graft import ReferenceGraft
from shared.domain import (
    Correctness,
    Diagnosis,
    Finding,
    Problem,
    Span,
    StepVerdict,
    Trajectory,
    Verdict,
)
from shared.ports import RewriteRequest
from shared.quantities.equations import find_equations
from shared.text.edits import apply
from shared.text.segmentation import join_steps, segment

DUCKS = Problem(
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins with "
    "four. She sells the remainder for $2 per egg. How much does she make every day?",
    "18",
    "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.\n"
    "She makes 9 * 2 = $<<9*2=18>>18 every day at the farmer's market.\n#### 18",
)
ROWS = Problem("Faye places 30 pencils into rows with 5 pencils in each row. How many rows are there?", "6")


def asked(problem, steps, first, joiner="\n"):
    text, cut = join_steps(steps, joiner)
    findings = (Finding(first, Span(0, 0), StepVerdict.WRONG, "wrong", "test", 1.0),)
    native = Trajectory("t", 1, problem, text, cut, joiner)
    return RewriteRequest(native, Verdict(Correctness.INCORRECT), Diagnosis(first, 1.0, findings), None, 0)


def first_text(rewriter, request):
    candidate = next(iter(rewriter.propose(request)))
    return apply(request.trajectory.text, candidate.edits)


def test_arithmetic_corrects_a_false_result_and_carries_it_on():
    request = asked(
        Problem("There are 12 boxes of 5 pens and 4 loose ones.", "64"),
        ["12 * 5 = 65 pens", "So 65 + 4 = 69 pens in all."],
        0,
    )
    assert first_text(Arithmetic(), request) == "12 * 5 = 60 pens\nSo 60 + 4 = 64 pens in all."


def test_arithmetic_has_nothing_to_say_where_every_equation_is_true():
    assert not list(Arithmetic().propose(asked(DUCKS, ["16 - 3 = 13", "13 * 2 = 26"], 0)))


def test_operation_keeps_the_numbers_and_changes_the_sign():
    request = asked(ROWS, ["So there are 30 - 5 = 25 rows.", "The answer is 25."], 0)
    assert first_text(Operation(), request) == "So there are 30 / 5 = 6 rows.\nThe answer is 6."


def test_operation_is_silent_where_the_reference_derives_the_answer_otherwise():
    problem = Problem(
        "She has $20 and buys 5 crayons at $2.", "10", "5 * 2 = 10 dollars.\n20 - 10 = 10 dollars."
    )
    assert not list(Operation().propose(asked(problem, ["She gets 20 - 2 = 18 dollars"], 0)))


def test_a_graft_takes_over_the_equation_inside_the_students_sentence():
    request = asked(
        DUCKS,
        ["Janet sells 16 - 3 = <<16-3=13>>13 duck eggs every day", "So she makes 13 * 2 = $<<13*2=26>>26"],
        0,
    )
    assert first_text(ReferenceGraft(), request) == (
        "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs every day\nSo she makes 9 * 2 = $<<9*2=18>>18"
    )


def test_a_graft_speaks_the_students_notation():
    request = asked(
        DUCKS, ["She has 16-3=13 eggs left.", "She gets 13x2=26 dollars.", "The answer is 26."], 0
    )
    refined = first_text(ReferenceGraft(), request)
    assert "16-3-4=9" in refined
    assert "9x2=" in refined
    assert "<<" not in refined
    assert refined.endswith("The answer is 18.")


def test_a_missing_last_line_is_put_in_before_the_answer():
    text = "Janet sells 16 - 3 - 4 = 9 duck eggs a day. The answer is 9."
    native = Trajectory("t", 1, DUCKS, text, segment(text))
    request = RewriteRequest(native, Verdict(Correctness.INCORRECT), Diagnosis(1, 1.0), None, 0)
    refined = first_text(ReferenceGraft(), request)
    assert refined.startswith("Janet sells 16 - 3 - 4 = 9 duck eggs a day. ")
    assert "9 * 2 = $18" in refined
    assert refined.endswith("The answer is 18.")


def test_numbered_steps_keep_their_marker():
    request = asked(DUCKS, ["Step 1: Janet sells 16 - 3 = 13 duck eggs.", "Step 2: The answer is 13."], 0)
    refined = first_text(ReferenceGraft(), request)
    assert [line[:7] for line in refined.split("\n")] == ["Step 1:", "Step 2:", "Step 3:"]


def test_a_sentence_about_something_else_does_not_carry_a_borrowed_equation():
    item = plan_of(DUCKS).items[0]
    sentence = "Each muffin needs 16 - 3 = 13 grams of sugar"
    assert not fits(sentence, find_equations(sentence)[0], item)


@pytest.mark.parametrize(
    "sentence",
    [
        "Then divide the duck eggs Janet sells by 3 to find 16 / 4 = 4 duck eggs",
        "Lisa sells 16 - 3 = 13 duck eggs a day",
        "Janet sells 16 - 3 = $13 of duck eggs a day",
    ],
)
def test_a_sentence_that_names_another_person_operation_or_unit_does_not_either(sentence):
    assert not fits(sentence, find_equations(sentence)[0], plan_of(DUCKS).items[0])


def test_a_solution_that_stops_short_keeps_its_last_step_and_goes_on():
    request = asked(DUCKS, ["Janet sells 16 - 3 - 4 = 9 duck eggs every day"], 0)
    assert first_text(ReferenceGraft(), request).startswith(
        "Janet sells 16 - 3 - 4 = 9 duck eggs every day\n"
    )


def test_a_reference_that_never_derives_the_gold_number_is_no_plan():
    assert plan_of(Problem("p", "7", "3 + 3 = 6\nso it is obvious.")) is None


def test_lines_that_the_answer_does_not_need_are_no_part_of_the_plan():
    plan = plan_of(Problem("p", "18", "4 + 4 = 8\n16 - 7 = 9\n9 * 2 = 18"))
    assert [item.result for item in plan.items] == [9, 18]


APPLES = Problem(
    "Ida has 24 apples. Ida buys 36 more. Ida sells 21. How many apples does Ida have now?",
    "39",
    "24 + 36 = 60\n60 - 21 = 39\n\\boxed{39}",
)


def test_a_bare_equation_of_the_reference_goes_into_the_sentence_that_names_its_numbers():
    steps = ["First, Ida buys 36 more, so I get 24 + 36 = 60.", "Then, Ida sells 21, so I get 60 - 20 = 40."]
    refined = first_text(ReferenceGraft(), asked(APPLES, [*steps, "So there are \\boxed{40} apples."], 1))
    assert refined.endswith("Then, Ida sells 21, so I get 60 - 21 = 39.\nSo there are \\boxed{39} apples.")


@pytest.mark.parametrize(
    ("sentence", "fitting"),
    [
        ("Then, Ida sells 21, so I get 60 + 21 = 81.", True),
        ("Then, Ida sells some, so I get 60 - 12 = 48.", True),
        ("Then, Ida buys 36 more, so I get 60 + 36 = 96.", False),
        ("Then, Ida sells 12, so I get 60 - 12 = 48.", True),
        ("Then, Ida sells some, so I get 24 - 12 = 12.", False),
        ("Then, the pile grows to 5 times its size, so I get 60 * 5 = 300.", False),
        ("Then, Ida buys 12, so I get 60 + 12 = 72.", False),
        ("Then, Ida sells 24, so I get 60 - 24 = 36.", False),
    ],
)
def test_a_bare_equation_fits_only_a_sentence_of_its_own_numbers(sentence, fitting):
    known = {24, 36, 21, 60}
    assert fits(sentence, find_equations(sentence)[0], plan_of(APPLES).items[1], known) is fitting


def test_a_number_that_was_misread_is_put_right_in_the_words_too():
    steps = ["First, Ida buys 36 more, so I get 24 + 36 = 60.", "Then, Ida sells 12, so I get 60 - 12 = 48."]
    refined = first_text(ReferenceGraft(), asked(APPLES, [*steps, "So there are \\boxed{48} apples."], 1))
    assert refined.endswith("Then, Ida sells 21, so I get 60 - 21 = 39.\nSo there are \\boxed{39} apples.")


def test_a_number_that_was_misread_is_not_looked_for_where_the_operation_is_another_too():
    sentence = "Then, Ida buys 12, so I get 60 + 12 = 72."
    [equation] = find_equations(sentence)
    assert not misread(equation, plan_of(APPLES).items[1], {24, 36, 21, 60})


@pytest.mark.parametrize(
    ("sentence", "fitting"),
    [("Adam eats 15, so 15 - 15 = 0.", True), ("Adam eats 30, so 30 - 30 = 0.", False)],
)
def test_a_number_that_comes_twice_is_the_one_behind_the_sign(sentence, fitting):
    problem = Problem("Adam has 30 slices and eats 15.", "15", "30 - 15 = 15")
    assert fits(sentence, find_equations(sentence)[0], plan_of(problem).items[0], {30, 15}) is fitting


def test_operation_does_not_turn_a_sentence_into_its_opposite():
    problem = Problem("Ben has 49 cards and finds 7 more.", "56")
    steps = ["Ben loses 7, so I get 49 - 7 = 42.", "So there are 42."]
    assert not list(Operation().propose(asked(problem, steps, 0)))


def test_arithmetic_concludes_with_its_result_where_the_false_one_is_a_number_of_the_problem():
    problem = Problem("Eva has 85 pears, loses 31 and buys 21.", "75")
    request = asked(problem, ["So I get 54 + 21 = 85.", "In the end, there are \\boxed{85} pears."], 0)
    texts = [apply(request.trajectory.text, made.edits) for made in Arithmetic().propose(request)]
    assert "So I get 54 + 21 = 75.\nIn the end, there are \\boxed{75} pears." in texts


def test_operation_concludes_with_its_result_where_the_wrong_one_is_a_number_of_the_problem():
    problem = Problem("Eva has 12 stamps from 15. Eva sells 3. How many does she have?", "9")
    request = asked(problem, ["Eva sells 3, so I get 12 + 3 = 15.", "So there are 15 stamps."], 0)
    assert first_text(Operation(), request) == "Eva sells 3, so I get 12 - 3 = 9.\nSo there are 9 stamps."


@pytest.mark.parametrize("steps", [["x"], ["= ="], ["1/0 = 3"], ["So " * 500 + "16 - 3 = 13"]])
def test_odd_solutions_are_no_reason_to_break(steps):
    request = asked(DUCKS, steps, 0)
    for rewriter in (Arithmetic(), Operation(), ReferenceGraft()):
        for candidate in rewriter.propose(request):
            apply(request.trajectory.text, candidate.edits)


def test_a_student_that_writes_dollar_signs_at_operands_keeps_them():
    problem = Problem(
        "A bag costs $40 and a hat $20. She pays with $100. What is her change?",
        "40",
        "The bag and the hat cost $40 + $20 = $<<40+20=60>>60.\nHer change is $100 - $60 = $<<100-60=40>>40.",
    )
    steps = ["They cost $40 + $20 = $60.", "The rest is $100 * 2 - $20 * 9 = $20."]
    assert "$100 - $60 = $40" in first_text(ReferenceGraft(), asked(problem, steps, 1))
