"""One street for all tests here; each has its own job."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

from street import LINES, LONG, Account, Street

from shared.jobs.order import JobOrder

DEMO = Path(__file__).parents[2] / "data" / "demo" / "gpt3_6b.jsonl"


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Gateway, Redis, student, oracle and one host of workers."""
    opened = Street(tmp_path_factory.mktemp("street"), 8 if LONG else 4)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test has to share the machine with the job of one that failed."""
    yield
    for name in {"street", "in_s3"} & set(request.fixturenames):
        request.getfixturevalue(name).call_off()


@pytest.fixture(scope="session")
def body() -> bytes:
    """Real solutions, each of them about as often as any other."""
    lines = DEMO.read_bytes().splitlines(keepends=True)
    return b"".join((lines * (1 + LINES // len(lines)))[:LINES])


@pytest.fixture(scope="session")
def finished(street: Street, body: bytes) -> JobOrder:
    """A job to which nothing happens."""
    if not LONG:
        street.fit(body)
    return street.post(body)


@pytest.fixture(scope="session")
def undisturbed(street: Street, finished: JobOrder) -> Account:
    """What that comes to."""
    account = street.account(finished)
    assert account == Account("completed", LINES, True, account.records)
    return account
