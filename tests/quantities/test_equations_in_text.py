from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.quantities import evaluate, find_equations, is_true, links, parse_expression, render
from shared.quantities.algebra import relations, root, same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16 eggs - 3 eggs", 13),
        ("$2/egg * 9 eggs", 18),
        ("2 boys/girl * 6 girls", 12),
        ("12% of 50", 6),
        (r"\frac{24 \text{ feet}}{3 \text{ feet/bottle}}", 8),
        ("(3)(4)", 12),
        ("6 / 3/4", 8),
        ("2 1/2 + 3", Fraction(11, 2)),
        ("-6 + 1 * -7 - 9", -22),
        ("half of the 68 eggs", 34),
        ("24 hours in a day - (10 hours + 8 hours)", 6),
        ("3 x 4", 12),
        ("5 plus 3 times 2", 11),
        (r"2^10 - 5! + \binom{5}{2}", 914),
        (r"\sqrt{16} \cdot 2", 8),
        ("7 ÷ 2", Fraction(7, 2)),
    ],
)
def test_an_expression_has_its_exact_value(text, value):
    tree = parse_expression(text)
    assert tree is not None
    assert evaluate(tree) == value


@pytest.mark.parametrize("text", ["1/0", "9^9^9^9", "2^1000", "0^-1"])
def test_an_absurd_expression_has_no_value(text):
    tree = parse_expression(text)
    assert tree is not None
    assert evaluate(tree) is None


@pytest.mark.parametrize(
    "text",
    [
        "16-3-4=<<16-3-4=9>>9 eggs",
        "13 * 2 = $<<13*2=26>>26.",
        "2 * 3 = 6 = 6",
        r"\[ 6 \times 5 = 30 \]",
        r"\( 3 \times 60 = 180 \) meters",
        "12% of 50 = 6",
        "10/3 = 3.33",
        "2/3 = 0.66",
        "10 / 3 ≈ 3",
        "30/60 = 50%",
        "100 - 20 = 80%",
        "3,200 / 4,800 * 100 = 66.67",
        "She has <<4*5=20>>20 eggs",
        "24 pounds/day * 150% = <<24*150*.01=36>>36 pounds/day",
        "A = (-6 + 1 * -7 - 9) = (-6 + (1 * -7) - 9) = -22.",
        r"62 \div 8 = 7 \text{ remainder } 6",
        r"\begin{align*} 3 + 4 &= 7 \\ &= 14 / 2 \end{align*}",
    ],
)
def test_a_true_equation_is_found_and_true(text):
    found = find_equations(text)
    assert found
    assert all(is_true(equation) for equation in found)


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("12 * 5 = 65", ("12 * 5", 60)),
        ("16-3-4=<<16-3-4=8>>8", ("16 - 3 - 4", 9)),
        ("2 * 3 = 6 = 3 + 4", ("6", 6)),
        ("25/2 = 12", ("25 / 2", Fraction(25, 2))),
        ("so 5 + 3 = 8 and 8 * 2 = 15", ("8 * 2", 16)),
    ],
)
def test_a_false_claim_names_what_it_should_be(text, claim):
    false = [link for equation in find_equations(text) for link in links(equation) if link.holds is False]
    assert [(render(link.expression), link.expected) for link in false] == [claim]


@pytest.mark.parametrize(
    "text",
    [
        "2x+3=7",
        "x + 3 + 4 = 8",
        "6 = 2x",
        "3 + 5 = 1 (mod 7)",
        "12_5 + 3_5 = 20_5",
        "8:00 + 3 = 11",
        "3 + 4 = 2 - y",
        "f''(4) = 48",
        "Day 1 = 3 + 4 of them",
        r"\frac{2}{9} = 0.\overline{2}",
        "5 + 3 = 8 \\cdot a",
    ],
)
def test_algebra_is_never_a_false_equation(text):
    assert all(link.holds is not False for equation in find_equations(text) for link in links(equation))


def test_a_loose_reading_proves_nothing():
    (equation,) = find_equations("she pays 200 - 15% = 170")
    assert [link.holds for link in links(equation)] == [None]


def test_a_calculator_note_is_kept_with_its_equation():
    text = "13 * 2 = $<<13*2=26>>26."
    (equation,) = find_equations(text)
    assert equation.note is not None
    assert equation.note.of(text) == "<<13*2=26>>"


_NUMBERS = st.integers(0, 999).map(str)
_TREES = st.recursive(
    _NUMBERS, lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({' '.join(t)})")
)


@settings(deadline=None, max_examples=150)
@given(_TREES)
def test_rendering_an_expression_keeps_its_value(text):
    tree = parse_expression(text)
    assert tree is not None
    again = parse_expression(render(tree))
    assert again is not None
    assert evaluate(again) == evaluate(tree)


@settings(deadline=None, max_examples=100)
@given(_TREES)
def test_an_equation_made_true_is_never_flagged(text):
    tree = parse_expression(text)
    assert tree is not None
    value = evaluate(tree)
    assert all(is_true(equation) for equation in find_equations(f"So {text} = {value} apples."))


@settings(deadline=None, max_examples=150)
@given(st.text(alphabet="0123456789.,/%$ -+*=()\\{}<>xab\n^!&[]_", max_size=80))
def test_equations_of_any_text_lie_within_it(text):
    assert all(0 <= e.span.start < e.span.end <= len(text) for e in find_equations(text))


def test_a_wrong_line_of_a_simplification_differs():
    (relation,) = relations("3(x + 2) = 3x + 6 = 3x + 5")
    assert [same(a, b) for a, b in zip(relation.sides, relation.sides[1:], strict=False)] == [True, False]


def test_a_linear_equation_has_its_root():
    (relation,) = relations("4x + 20 = 100")
    assert root(relation) == ("x", 20.0)
