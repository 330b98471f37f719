"""A supervisor in a process of its own, ended with its test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from houses import House

QUICK = {"first_delay": 0.1, "longest_delay": 0.4, "starts": 3, "drain": 20.0, "grace": 1.0}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Starts services given by name: a program, or a program and the names it needs."""
    houses: list[House] = []

    def run(as_json: bool = True, patience: dict[str, float] | None = None, **services: object) -> House:
        listed = [
            (name, *(told if isinstance(told, tuple) else (told, []))) for name, told in services.items()
        ]
        houses.append(House(tmp_path, listed, {**QUICK, **(patience or {})}, as_json))
        return houses[-1]

    yield run
    for house in houses:
        house.close()
