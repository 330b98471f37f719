"""A small student and its rows."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "services"))

from small_students import make_student, write_rows


@pytest.fixture(scope="session")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny untrained student."""
    return make_student(tmp_path_factory.mktemp("pupil"))


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of twenty training rows."""
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl")
