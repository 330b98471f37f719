"""One warm verifier for the whole folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.oracle.verifier import SandboxedVerifier

DATA = Path(__file__).parents[1] / "data" / "verifier"


@pytest.fixture(scope="session")
def verifier() -> Iterator[SandboxedVerifier]:
    """A verifier with one worker and the default limits."""
    with SandboxedVerifier() as warm:
        yield warm


@pytest.fixture(scope="session")
def pairs() -> list[dict[str, Any]]:
    """The labelled pairs of answers."""
    return [json.loads(line) for line in (DATA / "pairs.jsonl").read_text("utf-8").splitlines()]
