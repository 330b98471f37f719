"""The generator in process."""

import pytest

from services.inference.checkpoint import Checkpoint
from services.student.engines.generator import TransformersGenerator
from shared.errors import FieldError
from shared.ports import GenerationRequest, Generator

PROBLEM = "Tom has 3 apples and buys 4 more. How many does he have?"


@pytest.fixture(scope="module")
def generator(smollm: Checkpoint) -> TransformersGenerator:
    """The default model as a sampler."""
    return TransformersGenerator(smollm)


def test_it_is_a_generator(generator: TransformersGenerator) -> None:
    assert isinstance(generator, Generator)


def test_equal_seeds_give_equal_samples(generator: TransformersGenerator) -> None:
    request = GenerationRequest(PROBLEM, n=2, max_tokens=6, seed=5)
    assert generator.generate(request) == generator.generate(request)


def test_samples_of_one_request_differ(generator: TransformersGenerator) -> None:
    first, second = generator.generate(GenerationRequest(PROBLEM, n=2, max_tokens=8, temperature=1.5))
    assert first != second


def test_temperature_zero_ignores_the_seed(generator: TransformersGenerator) -> None:
    one, other = (GenerationRequest(PROBLEM, temperature=0, max_tokens=5, seed=seed) for seed in (1, 2))
    assert generator.generate(one) == generator.generate(other)


def test_it_goes_on_from_the_prefix_without_repeating_it(generator: TransformersGenerator) -> None:
    request = GenerationRequest(PROBLEM, prefix="Tom has 3 + 4", temperature=0, max_tokens=3)
    assert generator.generate(request)[0].text.startswith(" = 7")


def test_a_hint_changes_the_prompt(smollm: Checkpoint) -> None:
    assert "Hint: add" in smollm.decode(smollm.prompt(PROBLEM, "add"))


def test_a_limit_is_told_from_an_end(generator: TransformersGenerator) -> None:
    sample = generator.generate(GenerationRequest(PROBLEM, temperature=0, max_tokens=2))[0]
    assert (sample.tokens, sample.finished) == (2, False)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GenerationRequest(" "), "problem"),
        (GenerationRequest(PROBLEM, temperature=-0.1), "temperature"),
        (GenerationRequest(PROBLEM, temperature=float("nan")), "temperature"),
        (GenerationRequest(PROBLEM, n=0), "n"),
        (GenerationRequest(PROBLEM, max_tokens=0), "max_tokens"),
        (GenerationRequest("12 " * 9000), "problem"),
    ],
)
def test_what_cannot_be_served_is_refused_by_field(
    generator: TransformersGenerator, request_: GenerationRequest, field: str
) -> None:
    with pytest.raises(FieldError) as caught:
        generator.generate(request_)
    assert caught.value.field == field
