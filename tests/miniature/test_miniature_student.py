"""The shipped students load, solve, end by themselves and know the expressions that they do not use."""

from functools import cache

import pytest
from tokenizers import Tokenizer

from services.embedded.miniature.expressions import EXPRESSIONS, OTHERS, solution
from services.embedded.miniature.figures import Figures, measure
from services.embedded.miniature.problems import Split, problems
from services.embedded.miniature.shipped import SEEDS, student_folder
from services.inference.checkpoint import Checkpoint, load_checkpoint
from shared.errors import FieldError

DRAWN = problems(1, 40, Split.EVALUATION)
MEGABYTES = 4


@cache
def student(seed: int) -> Checkpoint:
    return load_checkpoint(student_folder(seed), device="cpu", threads=1)


@cache
def figures(seed: int) -> Figures:
    return measure(student_folder(seed), count=60, samples=4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_student_is_small_enough_to_be_shipped(seed: int) -> None:
    files = student_folder(seed).iterdir()
    assert sum(path.stat().st_size for path in files) < MEGABYTES * 1_000_000


@pytest.mark.parametrize("seed", SEEDS)
def test_the_card_names_the_digest_of_what_is_shipped(seed: int) -> None:
    assert f"`{student(seed).digest}`" in (student_folder(seed) / "README.md").read_text("utf-8")


@pytest.mark.parametrize("words", EXPRESSIONS)
def test_ids_turn_back_into_the_same_text(words: str) -> None:
    texts = [solution(drawn, words, 1) for drawn in DRAWN]
    assert [student(1).decode(student(1).encode(text)[0]) for text in texts] == texts


def test_the_loaded_tokenizer_gives_the_ids_of_the_saved_one() -> None:
    saved = Tokenizer.from_file(str(student_folder() / "tokenizer.json"))
    texts = [drawn.text for drawn in DRAWN] + [solution(drawn, "native", 1) for drawn in DRAWN]
    assert [student(1).encode(text)[0] for text in texts] == [saved.encode(text).ids for text in texts]


def test_every_digit_is_a_token() -> None:
    ids, _ = student(1).encode("1234567890")
    assert len(ids) == 10


def test_a_problem_is_asked_in_the_template_that_was_trained() -> None:
    asked = student(1).tokenizer.decode(student(1).prompt("Mia has 3 apples."))
    assert asked == "<|user|>Mia has 3 apples.<|end|><|assistant|>"


@pytest.mark.parametrize("seed", SEEDS)
def test_neither_all_nor_none_of_the_samples_are_right(seed: int) -> None:
    assert 0.3 < figures(seed).average < 0.7


@pytest.mark.parametrize("seed", SEEDS)
def test_most_problems_are_within_reach(seed: int) -> None:
    assert figures(seed).solved > 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_samples_end_by_themselves(seed: int) -> None:
    assert figures(seed).truncated < 0.05


@pytest.mark.parametrize("seed", SEEDS)
def test_native_words_are_the_likeliest(seed: int) -> None:
    spelled = figures(seed).perplexity
    assert min(spelled, key=lambda words: spelled[words]) == "native"


@pytest.mark.parametrize("words", OTHERS)
@pytest.mark.parametrize("seed", SEEDS)
def test_other_words_are_known_but_not_native(seed: int, words: str) -> None:
    assert 1.5 < figures(seed).perplexity[words] < 10


def test_the_same_measurement_gives_the_same_figures() -> None:
    once, again = (measure(student_folder(), count=8, samples=2) for _ in range(2))
    assert once == again


def test_a_seed_that_is_not_shipped_is_refused() -> None:
    with pytest.raises(FieldError):
        student_folder(99)
