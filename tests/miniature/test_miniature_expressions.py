"""Every expression writes right solutions, line by line, of the same steps."""

import pytest

from services.embedded.miniature.checking import check
from services.embedded.miniature.expressions import EXPRESSIONS, OTHERS, lines, solution
from services.embedded.miniature.problems import problems
from services.oracle.verifier.verifier import SandboxedVerifier
from shared.domain import Correctness
from shared.errors import FieldError

DRAWN = problems(1, 100)


@pytest.mark.parametrize("words", EXPRESSIONS)
def test_every_solution_is_verified(words: str) -> None:
    with SandboxedVerifier() as verifier:
        verdicts = [verifier.verify(solution(drawn, words, 1), drawn.gold) for drawn in DRAWN]
    assert {verdict.value for verdict in verdicts} == {Correctness.CORRECT}


@pytest.mark.parametrize("words", EXPRESSIONS)
def test_every_line_is_right(words: str) -> None:
    checked = [check(drawn, solution(drawn, words, 1)) for drawn in DRAWN]
    assert all(found is not None and found.complete for found in checked)


@pytest.mark.parametrize("words", EXPRESSIONS)
def test_there_is_one_line_a_step_and_one_for_the_answer(words: str) -> None:
    assert [len(lines(drawn, words, 1)) for drawn in DRAWN] == [len(drawn.operations) + 1 for drawn in DRAWN]


@pytest.mark.parametrize("words", OTHERS)
def test_other_words_share_no_line_with_native_ones(words: str) -> None:
    assert all(set(lines(drawn, words, 1)).isdisjoint(lines(drawn, "native", 1)) for drawn in DRAWN)


def test_native_words_vary_with_the_seed() -> None:
    assert len({solution(DRAWN[0], "native", seed) for seed in range(20)}) > 3


def test_equal_seeds_give_equal_words() -> None:
    assert lines(DRAWN[0], "native", 7) == lines(DRAWN[0], "native", 7)


def test_an_expression_that_is_not_there_is_refused() -> None:
    with pytest.raises(FieldError):
        lines(DRAWN[0], "poetic", 1)
