from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.quantities import find_numbers


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("1,234.50", Fraction(2469, 2), "digits"),
        (".5", Fraction(1, 2), "digits"),
        ("3/4", Fraction(3, 4), "fraction"),
        ("2 1/2", Fraction(5, 2), "mixed"),
        ("50%", Fraction(1, 2), "percent"),
        ("50 percent", Fraction(1, 2), "percent"),
        ("twenty-one", Fraction(21), "word"),
        ("two hundred", Fraction(200), "word"),
        ("two thirds", Fraction(2, 3), "word"),
        ("one-fifth", Fraction(1, 5), "word"),
        ("half", Fraction(1, 2), "word"),
        ("twice", Fraction(2), "word"),
        ("a dozen", Fraction(12), "word"),
        (r"\frac{3}{4}", Fraction(3, 4), "fraction"),
        ("1{,}000", Fraction(1000), "digits"),
        ("3 million", Fraction(3000000), "digits"),
    ],
)
def test_a_number_is_read_with_its_exact_value(text, value, kind):
    (number,) = find_numbers(text)
    assert (number.value, number.kind) == (value, kind)


def test_a_currency_sign_is_the_prefix_of_its_number():
    assert [number.prefix for number in find_numbers(r"$5, \$6 and 7")] == ["$", r"\$", ""]


def test_the_noun_behind_a_number_is_its_unit():
    assert [number.unit for number in find_numbers("3 eggs, 4 more boxes, 5 of them and 6.")] == [
        "egg",
        "box",
        None,
        None,
    ]


def test_an_ordinal_is_no_number():
    assert find_numbers("the third day") == ()


def test_a_written_fraction_keeps_its_other_reading():
    (number,) = find_numbers("3/4")
    assert [part.value for part in number.parts] == [3, 4]


def test_more_than_forty_digits_are_no_number():
    assert find_numbers("9" * 41) == ()


@settings(deadline=None)
@given(st.text(alphabet="0123456789.,/%$ -+=()\\{}<>xab\n½é", max_size=60))
def test_a_span_always_holds_the_surface(text):
    assert all(number.span.of(text) == number.surface for number in find_numbers(text))


@settings(deadline=None)
@given(st.integers(0, 10**12), st.integers(0, 999))
def test_digits_with_separators_are_read_back(whole, thousandths):
    (number,) = find_numbers(f"{whole:,}.{thousandths:03d}")
    assert number.value == whole + Fraction(thousandths, 1000)
