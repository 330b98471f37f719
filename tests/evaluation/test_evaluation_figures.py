"""Figures of one model on one set."""

import json
import random
from itertools import combinations
from math import comb

import pytest
from graded_letters import answered, graded

from shared.errors import FieldError
from shared.evaluation.answers import answer_key
from shared.evaluation.figures import summary
from shared.evaluation.tally import majority_share, pass_at

SET = [
    graded("a", "rrww", level="1", subject="Algebra"),
    graded("b", "wwwv", level="2", subject="Algebra"),
    graded("c", "rrrr", level="1", subject="Geometry"),
    graded("d", "rutt", level="2"),
]


def test_avg_is_the_mean_share_of_right_samples() -> None:
    assert summary(SET).whole.average.mean == pytest.approx((0.5 + 0 + 1 + 0.25) / 4)


def test_the_interval_holds_the_mean() -> None:
    found = summary(SET).whole.average
    assert found.low < found.mean < found.high


def test_the_interval_covers_the_truth_about_nineteen_times_in_twenty() -> None:
    draw, covered = random.Random(3), 0
    for _ in range(60):
        shares = [draw.random() for _ in range(80)]
        letters = ["".join("r" if draw.random() < share else "w" for _ in range(4)) for share in shares]
        found = summary([graded(str(at), row) for at, row in enumerate(letters)]).whole.average
        covered += found.low <= 0.5 <= found.high
    assert covered >= 52


def test_the_order_of_problems_does_not_change_a_figure() -> None:
    assert summary(SET[::-1]).to_json() == summary(SET).to_json()


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_pass_at_j_is_the_share_of_all_draws_of_j_that_hold_a_right_sample(at: int) -> None:
    samples = [True, False, False, True]
    draws = [any(chosen) for chosen in combinations(samples, at)]
    assert pass_at(2, 4, at) == pytest.approx(sum(draws) / comb(4, at))


def test_pass_at_one_is_the_accuracy() -> None:
    found = summary(SET)
    assert found.passes[1].mean == pytest.approx(found.whole.average.mean)


def test_pass_at_more_than_was_drawn_is_refused() -> None:
    with pytest.raises(FieldError, match="5 of 4 samples"):
        pass_at(2, 4, 5)


def test_pass_is_told_for_powers_of_two_and_for_k() -> None:
    assert list(summary([graded("a", "rwwwww")]).passes) == [1, 2, 4, 6]


@pytest.mark.parametrize(
    ("answers", "share"),
    [
        ([("7", True), ("7.0", True), ("8", False)], 1.0),
        ([("7", True), ("8", False), ("8.0", False)], 0.0),
        ([("7", True), ("8", False)], 0.5),
        ([("7", True), ("8", False), ("9", False)], pytest.approx(1 / 3)),
        ([("8", False), ("9", False)], 0.0),
    ],
)
def test_the_majority_is_right_where_most_votes_are_and_ties_are_split(
    answers: list[tuple[str, bool]], share: float
) -> None:
    assert majority_share(answered(*answers)) == share


def test_samples_without_an_answer_have_no_vote() -> None:
    assert majority_share(graded("a", "rttt").samples) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,200", "$1200.0$"),
        (r"\frac{1}{2}", "0.5"),
        ("3/6", r"\dfrac{1}{2}"),
        ("50%", r"50\%"),
        (r"\left( 3, \pi \right)", r"(3,\pi)"),
        ("−4", "-4."),
        ("Tuesday", "tuesday"),
    ],
)
def test_answers_that_are_equal_by_eye_have_one_key(one: str, other: str) -> None:
    assert answer_key(one) == answer_key(other)


@pytest.mark.parametrize(("one", "other"), [("1,2", "12"), ("1/0", "0"), ("50%", "50"), ("2^3", "23")])
def test_answers_that_are_not_equal_have_two_keys(one: str, other: str) -> None:
    assert answer_key(one) != answer_key(other)


def test_undecided_samples_are_told_apart_by_reason() -> None:
    assert summary(SET).undecided == {"timeout": 1}


def test_the_share_of_truncated_samples_is_told() -> None:
    assert summary(SET).whole.truncated == pytest.approx(2 / 16)


def test_tables_cut_the_set_by_group() -> None:
    rows = summary(SET).tables["level"]
    assert {level: row.average.mean for level, row in rows.items()} == {"1": 0.75, "2": 0.125}


def test_a_problem_that_does_not_name_a_group_is_not_in_its_table() -> None:
    assert sum(row.problems for row in summary(SET).tables["subject"].values()) == 3


def test_nothing_graded_gives_nulls_and_the_reason() -> None:
    told = json.loads(json.dumps(summary([]).to_json(), allow_nan=False))
    assert (told["avg"]["mean"], told["tokens"], told["reason"]) == (None, None, "no problems were graded")


def test_unequal_numbers_of_samples_are_refused() -> None:
    with pytest.raises(FieldError, match="are 2 of 'a' and 1 of 'b'"):
        summary([graded("a", "rr"), graded("b", "r")])


def test_a_problem_that_was_graded_twice_is_refused() -> None:
    with pytest.raises(FieldError, match="graded twice"):
        summary([graded("a", "r"), graded("a", "w")])
