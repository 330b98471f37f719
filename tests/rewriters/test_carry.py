"""Corrected numbers are carried through the words and equations of later steps."""

from fractions import Fraction

import pytest

from services.oracle.rewriters.carry import carry
from services.oracle.rewriters.values import format_value

CASES = [
    ("She has 13 eggs so she makes 13 * 2 = $26", {13: 9}, "She has 9 eggs so she makes 9 * 2 = $18"),
    ("She makes 13 * 2 = $<<13*2=26>>26 in all", {13: 9}, "She makes 9 * 2 = $<<9*2=18>>18 in all"),
    ("That is 26 dollars, 26 in words", {26: 18}, "That is 18 dollars, 18 in words"),
    ("So 120/60=<<120/60=2.0>>2.0 hours", {120: 90}, "So 90/60=<<90/60=1.5>>1.5 hours"),
    (
        "It grew to 1,300 and then 1,300 + 1 = 1,301",
        {1300: 2400},
        "It grew to 2,400 and then 2,400 + 1 = 2,401",
    ),
    ("A chain 4 * 5 = 20 = 20", {4: 6}, "A chain 6 * 5 = 30 = 30"),
    ("Nothing here is 7", {13: 9}, "Nothing here is 7"),
]


@pytest.mark.parametrize(("text", "values", "expected"), CASES)
def test_old_numbers_give_way_to_new_ones_and_results_follow(text, values, expected):
    carried = carry(text, {Fraction(old): Fraction(new) for old, new in values.items()})
    assert carried.text == expected


def test_results_that_change_are_carried_on_to_the_next_step():
    carried = carry("13 * 2 = 26", {Fraction(13): Fraction(9)})
    assert carried.values[Fraction(26)] == 18


def test_a_false_result_is_put_right_where_that_is_asked_for():
    assert carry("12 * 5 = 65 pens", {}, correct=True).text == "12 * 5 = 60 pens"


def test_a_number_before_an_equation_that_calculates_with_it_is_no_result():
    text = "Jan finds 4 more, so I get 2 + 4 = 4 and keep 4."
    assert carry(text, {}, correct=True).text == "Jan finds 4 more, so I get 2 + 4 = 6 and keep 6."


def test_a_false_result_stays_where_nobody_asked():
    assert carry("12 * 5 = 65 pens", {}).text == "12 * 5 = 65 pens"


@pytest.mark.parametrize(
    ("value", "like", "shown"),
    [
        (Fraction(18), "26", "18"),
        (Fraction(18), "26.00", "18.00"),
        (Fraction(1800), "2,600", "1,800"),
        (Fraction(5, 2), "3", "2.5"),
        (Fraction(1, 3), "2", "0.33"),
        (Fraction(-3), "4", "-3"),
        (Fraction(4), "2.0", "4"),
    ],
)
def test_numbers_are_set_like_the_ones_they_replace(value, like, shown):
    assert format_value(value, like) == shown
