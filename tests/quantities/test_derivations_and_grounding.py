from fractions import Fraction

import pytest

from shared.quantities import derivations, statements, ungrounded
from shared.quantities.closure import inlined, regroupings, rescaled
from shared.quantities.derivations import implied_derivations

PROBLEM = (
    "Janet has 16 eggs. She eats three and bakes with 4. She sells the rest at $2 each, half of them today."
)


def test_a_derivation_keeps_operands_result_and_unit():
    (made,) = derivations(["She has 16 - 3 - 4 = <<16-3-4=9>>9 eggs left."])
    assert (made.operands, made.result, made.unit) == ((16, 3, 4), 9, "egg")


def test_the_result_span_holds_the_written_result():
    text = "She has 16 - 3 - 4 = <<16-3-4=9>>9 eggs left."
    (made,) = derivations([text])
    assert made.result_span.of(text) == "9"


def test_a_total_on_the_left_is_the_result():
    (made,) = derivations(["24 = 6 * 4"])
    assert (made.result, made.operands) == (24, (6, 4))


def test_an_operation_that_is_only_named_is_implied():
    (made,) = implied_derivations(["x = 80 / 4."])
    assert (made.result, made.equation) == (20, None)


def test_a_number_outside_equations_is_a_statement():
    assert [(s.value, s.unit) for s in statements(["3 + 4 = 7, so she has 13 eggs"])] == [(13, "egg")]


def test_regroupings_hold_the_sums_taken_in_another_order():
    values = regroupings(inlined(derivations(["16 - 3 - 4 = 9", "9 * 2 = 18"])))
    assert {13, 12, 7, 9, 18} <= values


def test_regroupings_hold_the_products_of_an_expanded_bracket():
    assert {10, 15} <= regroupings(inlined(derivations(["5 * (2 + 3) = 25"])))


def test_rescaling_takes_dollars_to_cents():
    assert Fraction(900) in rescaled([Fraction(9)])


@pytest.mark.parametrize(
    "steps",
    [
        ["16 - 3 - 4 = 9 eggs are left.", "9 * 2 = $18.", "The answer is 18."],
        ["Step 1: 16 - 3 = 13.", "Step 2: 13 - 4 = 9 because 13 minus 4 is 9."],
        ["She sells 9 eggs, because 16-3-4=<<16-3-4=9>>9."],
        ["3 + 4 = 7 eggs are used, so 16 - 7 = 9 are sold."],
        ["16 - 3 - 4 = 9.", "9 / 2 = 4.5, so about 5 are sold today."],
    ],
)
def test_a_solution_that_shows_its_operations_is_grounded(steps):
    assert ungrounded(PROBLEM, steps) == ()


@pytest.mark.parametrize(
    ("steps", "values"),
    [
        (["The answer is 18."], [18]),
        (["16 - 3 - 4 = 8 eggs."], [8]),
        (["She sells 9 eggs for 9 * 2 = 18."], [9, 9]),
        (["17 - 3 = 14"], [17]),
    ],
)
def test_a_number_without_a_source_is_named(steps, values):
    assert [gap.value for gap in ungrounded(PROBLEM, steps)] == values


def test_steps_before_the_edited_one_are_not_reported():
    assert ungrounded(PROBLEM, ["There are 99 eggs.", "16 - 3 = 13"], from_step=1) == ()


def test_a_week_has_seven_days_where_the_problem_speaks_of_weeks():
    assert ungrounded("He runs 3 miles a day. How far in a week?", ["3 * 7 = 21 miles"]) == ()


def test_seven_has_no_source_where_nothing_calls_for_it():
    assert [gap.value for gap in ungrounded("He has 3 apples.", ["3 * 7 = 21"])] == [7]
