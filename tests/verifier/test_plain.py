"""What is decided without a parser: numbers, choices and towers of powers."""

from __future__ import annotations

import pytest

from services.oracle.verifier import Question, SandboxedVerifier
from services.oracle.verifier.plain import choice_letter, chosen_letter, plain_number, same_numbers
from services.oracle.verifier.towers import same_towers

EQUAL_NUMBERS = [
    ("18", "18.0"),
    ("7425000", "7,425,000"),
    ("18", r"\$18.00"),
    ("18", "$18"),
    ("-3", "−3"),
    ("0.5", ".5"),
    ("1/3", r"\frac{1}{3}"),
    ("1/3", "0.333333"),
    ("10", r"10\%"),
    ("0.1", "10%"),
    ("540", "540 meters"),
    ("2000000", "2 million"),
    ("60", "60 km/hr"),
    ("42", "４２"),
    ("14916", "14{,}916"),
    ("11", r"\(11\)."),
]
DIFFERENT_NUMBERS = [
    ("5", "5.001"),
    ("1/3", "0.33"),
    ("3", "-3"),
    ("18", "1.8"),
    ("0.3", "0.03"),
    ("1/2", "2/1"),
]
NOT_PLAIN = ["2 pi", "5x", "3 sqrt", "12:00", "1, 2", "x=3", "10 and 12", "1/0", "", "2 choose 1", "9" * 5000]


@pytest.mark.parametrize(("gold", "answer"), EQUAL_NUMBERS)
def test_numbers_are_equal_however_they_are_written(gold: str, answer: str) -> None:
    assert same_numbers(gold, answer) is True


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT_NUMBERS)
def test_numbers_differ_by_value(gold: str, answer: str) -> None:
    assert same_numbers(gold, answer) is False


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_what_is_no_plain_number_is_left_to_the_parser(text: str) -> None:
    assert plain_number(text) is None


FORMULAS = [
    "3",
    "3.0",
    "-3",
    "1/3",
    "0.333333",
    "0.33",
    r"\frac{2}{6}",
    "1000",
    "0.1",
    r"10\%",
    "10",
    "5.001",
]


@pytest.mark.parametrize("gold", FORMULAS)
def test_the_quick_way_agrees_with_the_parser(gold: str, verifier: SandboxedVerifier) -> None:
    quick = [same_numbers(gold, answer) for answer in FORMULAS]
    # Brackets make a formula of a number, which only the parser reads.
    slow = [verifier.compare(Question(gold, f"({answer})")).value == "correct" for answer in FORMULAS]
    assert quick == slow


LETTERS = {
    "(B)": "B",
    r"\text{(C)}": "C",
    "Choice_D": "D",
    "thinking about it I think the correct answer is C": "C",
    "It's not A because it doesn't make sense, therefore I think it's B": "B",
    "The answer is for sure D, it can't be A or B": "D",
    "D. it can't be A or B": "D",
    "réponse est C non A": "C",
    "B不是 A": "B",
    "None of the choices (A, B, C, or D) is correct.": None,
    "Choice_A/B/C/D": None,
    "C^2 + D": None,
}


@pytest.mark.parametrize(("text", "letter"), LETTERS.items())
def test_the_letter_that_a_sentence_settles_on_is_found(text: str, letter: str | None) -> None:
    assert chosen_letter(text) == letter


def test_a_number_is_no_choice() -> None:
    assert choice_letter("12") is None


TOWERS = [
    ("10^{10^{10^{10}}}", "10^{10}", False),
    ("2^{2^{2^2}}", "65536", True),
    ("9^{9^{9}}", "9^{9^{9}}", True),
    ("9^{9^{9}}", "9^{9^{8}}", False),
    ("9^{9^{9}}", "3^{2 (9)}", None),
    ("3^{81^{10}}", "27^{81^{10}}", None),
    ("10^{}", "1", None),
    ("2(3)", "23", None),
]


@pytest.mark.parametrize(("gold", "answer", "equal"), TOWERS)
def test_towers_of_powers_are_compared_without_writing_them_out(
    gold: str, answer: str, equal: bool | None
) -> None:
    assert same_towers(gold, answer) is equal
