"""A tiny untrained student of the miniature's shape, in a folder."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))

from tiny_student import tiny_student

from shared.domain import EvaluationProblem
from shared.evaluation.problemsets import load_set


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen2, width 32, two layers, 300 tokens; what it says is noise, and seeded."""
    return tiny_student(tmp_path_factory.mktemp("tiny") / "student")


@pytest.fixture(scope="session")
def problems() -> list[EvaluationProblem]:
    """Twelve problems of SVAMP."""
    return load_set("svamp-300")[:12]
