"""The proxy: its language model, and the promise that no text is scored by a model that saw it."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.student.engines.proxy import ProxyScorer, fold_of
from services.student.lexis import TOKEN, learn_lexis, stem
from services.student.ngram import Ngram
from shared.ports import ScoreRequest


@pytest.fixture(scope="module")
def ngram() -> Ngram:
    """A model over nine symbols."""
    random.seed(3)
    return Ngram([[random.choice([0, 1, 1, 2, 3, 3, 3, 7]) for _ in range(12)] for _ in range(80)], 9)


@given(context=st.lists(st.integers(0, 8), max_size=6))
@settings(deadline=None, max_examples=50)
def test_probabilities_add_up_to_one(ngram: Ngram, context: list[int]) -> None:
    assert math.fsum(ngram.distribution(context)) == pytest.approx(1)


@given(context=st.lists(st.integers(0, 8), max_size=6), symbol=st.integers(0, 8))
@settings(deadline=None, max_examples=100)
def test_ranks_are_those_of_the_whole_distribution(ngram: Ngram, context: list[int], symbol: int) -> None:
    chances = ngram.distribution(context)
    _, ranks = ngram.run([*context, symbol])
    assert ranks[-1] == 1 + sum(chance > chances[symbol] * (1 + 1e-9) for chance in chances)


@given(st.text(max_size=60))
@settings(deadline=None)
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(TOKEN.findall(text)) == text


@pytest.mark.parametrize(
    ("word", "expected"),
    [("eggs", "egg"), ("Janet’s", "janet"), ("berries", "berry"), ("boxes", "box"), ("glass", "glass")],
)
def test_a_stem_lacks_plural_and_possessive(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_words_and_numbers_of_the_problem_are_open_classes(samples: list[tuple[str, str]]) -> None:
    lexis = learn_lexis(samples)
    names = lexis.read("Zoe owns 12 llamas.", "Zoe llama 12 99 99").names
    assert names == ("@Wordproblem", " @wordproblem", " @1problem", " @1new", " @1used")


def test_fitting_twice_gives_the_same_scores(samples: list[tuple[str, str]]) -> None:
    request = [ScoreRequest("How many?", "So he has 3 + 4 = 7 left")]
    assert ProxyScorer(samples).score(request) == ProxyScorer(samples).score(request)


def test_a_text_is_scored_by_a_model_that_never_saw_it(samples: list[tuple[str, str]]) -> None:
    problem, text = samples[0]
    without = [sample for sample in samples if fold_of(sample[0]) != fold_of(problem)]
    request = [ScoreRequest(problem, text)]
    assert ProxyScorer(samples).score(request) == ProxyScorer(without).score(request)


def test_the_digest_ignores_the_order_of_samples(samples: list[tuple[str, str]]) -> None:
    assert ProxyScorer(samples).info == ProxyScorer(samples[::-1]).info


def test_the_digest_changes_with_one_sample(samples: list[tuple[str, str]]) -> None:
    assert ProxyScorer(samples).info != ProxyScorer(samples[1:]).info
