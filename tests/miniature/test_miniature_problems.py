"""Problems are read back from their text alone, add up, and never stand in two sets."""

from itertools import combinations, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.embedded.miniature.problems import LARGEST, Split, WordProblem, parse, problems, stream
from shared.errors import FieldError


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(Split))
def test_the_structure_is_read_back_from_the_text(seed: int, split: Split) -> None:
    drawn = next(stream(seed, split))
    assert parse(drawn.text) == drawn


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_every_number_on_the_way_is_small_and_whole(seed: int) -> None:
    drawn = next(stream(seed, Split.ARMS))
    assert all(1 <= state <= LARGEST for state in drawn.states)


def test_every_equation_holds() -> None:
    equations = [equation for drawn in problems(1, 300) for equation in drawn.equations]
    sides = [equation.split(" = ") for equation in equations]
    assert all(eval(left) == int(right) for left, right in sides)


def test_no_problem_stands_in_two_sets() -> None:
    sets = [{drawn.id for drawn in problems(1, 500, split)} for split in Split]
    assert all(one.isdisjoint(other) for one, other in combinations(sets, 2))


def test_other_names_and_words_do_not_bring_a_problem_into_another_set() -> None:
    drawn = problems(1, 1)[0]
    retold = WordProblem("Nora", "kites", drawn.start, drawn.operations)
    assert retold.split is drawn.split


def test_equal_seeds_give_equal_problems() -> None:
    assert problems(3, 50) == problems(3, 50)


def test_a_longer_draw_begins_with_a_shorter() -> None:
    assert problems(3, 80)[:50] == problems(3, 50)


def test_another_seed_gives_other_problems() -> None:
    assert problems(3, 50) != problems(4, 50)


def test_no_problem_comes_twice_in_a_draw() -> None:
    drawn = problems(1, 1000, Split.RATES)
    assert len({each.id for each in drawn}) == 1000


def test_a_stream_stays_in_its_set() -> None:
    assert {drawn.split for drawn in islice(stream(5, Split.PRETRAINING), 200)} == {Split.PRETRAINING}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What is 6 times 7?",
        "Mia has 3 apples. Mia eats 2. How many apples does Mia have now?",
        "Mia has 3 apples. Tom wins 2. How many apples does Mia have now?",
        "Mia has 3 apples. Mia wins 2. How many coins does Mia have now?",
    ],
)
def test_a_text_of_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        parse(text)
