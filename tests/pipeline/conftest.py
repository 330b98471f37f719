"""One house of real processes for all tests of a file, each with its own jobs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path += [str(Path(__file__).parents[1] / name) for name in ("services", "oracle")]

from house import LINES, House, Part

from services.embedded.refining import Order, refine
from shared.jobs.order import JobOrder, JobState

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


@pytest.fixture(scope="module")
def lines(real_lines: list[bytes]) -> list[bytes]:
    """Real solutions, most of them more than once."""
    return (real_lines * (1 + LINES // len(real_lines)))[:LINES]


@pytest.fixture
def workers(house: House) -> Iterator[Part]:
    """One host of workers for the test."""
    part = house.workers()
    yield part
    part.kill()


@pytest.fixture(scope="module")
def undisturbed(house: House, lines: list[bytes]) -> tuple[str, bytes]:
    """Profile and records of a run in this process, without any queue."""
    source, output = house.folder / "in.jsonl", house.folder / "out.jsonl"
    source.write_bytes(b"\n".join(lines) + b"\n")
    refine(Order(source, output))
    records = output.read_bytes()
    return json.loads(records.splitlines()[0])["provenance"]["profile"], records


@pytest.fixture(scope="module")
def fitted(house: House, lines: list[bytes]) -> tuple[JobOrder, JobState]:
    """A job that fits its own profile, and how it ended."""
    part = house.workers()
    order = house.submit(lines)
    end = house.end_of(order)
    part.kill()
    return order, end.state
