"""Two models on one set."""

import random

import pytest
from graded_letters import graded

from shared.errors import FieldError
from shared.evaluation.paired import compare, detectable


def test_the_difference_is_that_of_the_two_averages() -> None:
    a = [graded("a", "rr"), graded("b", "rw")]
    b = [graded("b", "ww"), graded("a", "rw")]
    assert compare(a, b).mean == pytest.approx(0.5)


def test_a_difference_that_every_problem_shows_has_no_width() -> None:
    a = [graded(str(at), "rr") for at in range(20)]
    b = [graded(str(at), "rw") for at in range(20)]
    found = compare(a, b)
    assert (found.low, found.mean, found.high) == (0.5, 0.5, 0.5)


def test_pairing_makes_the_interval_narrower_than_either_models_own() -> None:
    from shared.evaluation.figures import summary

    letters = ["rrrr", "wwww"] * 20
    a = [graded(str(at), row) for at, row in enumerate(letters)]
    b = [graded(str(at), row[:3] + "w") for at, row in enumerate(letters)]
    paired, own = compare(a, b), summary(a).whole.average
    assert paired.high - paired.low < own.high - own.low


def test_other_problems_are_named() -> None:
    with pytest.raises(FieldError, match="'b' only in the first; 'c' only in the second"):
        compare([graded("a", "r"), graded("b", "r")], [graded("a", "r"), graded("c", "r")])


def test_another_text_under_one_id_is_named() -> None:
    with pytest.raises(FieldError, match="'a' has another text or gold"):
        compare([graded("a", "r")], [graded("a", "r", "What is 2 + 5?")])


def test_unequal_k_is_named() -> None:
    with pytest.raises(FieldError, match="are 2 in the first and 1 in the second"):
        compare([graded("a", "rr")], [graded("a", "r")])


def test_more_problems_or_more_samples_detect_less() -> None:
    base = detectable(300, 4)
    assert detectable(1200, 4) < base
    assert detectable(300, 16) < base


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    problems, k = 150, 4
    shift = detectable(problems, k, between=0.0, within=0.25)
    draw, found = random.Random(5), 0
    for _ in range(100):
        sides = [
            [
                graded(str(at), "".join("r" if draw.random() < share else "w" for _ in range(k)))
                for at in range(problems)
            ]
            for share in (0.5 + shift / 2, 0.5 - shift / 2)
        ]
        found += compare(sides[0], sides[1]).low > 0
    assert 68 <= found <= 92


def test_a_design_without_problems_is_refused() -> None:
    with pytest.raises(FieldError, match="problems"):
        detectable(0, 4)
