"""Small reward models with random weights."""

import pytest
from reward_models import save_reward_model

FAMILIES = ("qwen2", "llama")


@pytest.fixture(scope="session", params=FAMILIES)
def step_model(request, tmp_path_factory):
    """A token classifier with two labels."""
    return save_reward_model(tmp_path_factory.mktemp("steps"), request.param, "TokenClassification", 2)


@pytest.fixture(scope="session", params=FAMILIES)
def solution_model(request, tmp_path_factory):
    """A sequence classifier with one label."""
    return save_reward_model(tmp_path_factory.mktemp("whole"), request.param, "SequenceClassification", 1)


@pytest.fixture(scope="session")
def headless_model(tmp_path_factory):
    """A language model without a classification head."""
    return save_reward_model(tmp_path_factory.mktemp("bare"), "qwen2", "CausalLM", 2)


@pytest.fixture(scope="session")
def odd_model(tmp_path_factory):
    """A token classifier with three labels."""
    return save_reward_model(tmp_path_factory.mktemp("odd"), "qwen2", "TokenClassification", 3)
