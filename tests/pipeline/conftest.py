"""One house of real processes for all tests of a file, each with its own jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from house import House

DEMO = Path(__file__).parents[2] / "data" / "demo"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Redis, a student that fits proxies, an oracle of rules; no workers yet."""
    opened = House(tmp_path_factory.mktemp("house"))
    try:
        opened.service("student", IDIOLECT_STUDENT_ENGINE="scripted")
        opened.service("oracle", IDIOLECT_ORACLE_ENGINE="rules")
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def real_lines() -> list[bytes]:
    """223 real solutions of one small model."""
    return (DEMO / "gpt3_6b.jsonl").read_bytes().splitlines()
