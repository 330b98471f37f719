"""A job's token budget over real processes, with an oracle whose language model counts what it is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bucket import served
from canned import CannedModel
from house import House, Part, eventually
from oracles import thinking
from served import ServedOracle

from services.inference.base import LanguageModel
from services.oracle.core import OracleSettings
from services.oracle.structured import VoteSettings
from shared.domain import Sample
from shared.jobs.budget import BudgetBook, Funds
from shared.jobs.order import JobOrder, JobState

LINES = 24
SMALL = 12_000
"""Tokens that suffice for some of the lines and not for all of them."""


class Counting(CannedModel):
    """Takes its time, and counts what it has read and written."""

    def __init__(self) -> None:
        super().__init__(thinking)
        self.told = 0

    async def sample(self, prompt: Any, sampling: Any) -> AsyncIterator[Sample]:
        first = True
        async for sample in super().sample(prompt, sampling):
            await asyncio.sleep(0.01)
            self.told += sample.tokens + (sample.prompt_tokens if first else 0)
            first = False
            yield sample


@pytest.fixture(scope="module", params=["disk", pytest.param("s3", marks=pytest.mark.long)])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Redis, a student, and a store of either kind; no workers yet."""
    with ExitStack() as stack:
        store = None
        if request.param == "s3":
            stack.enter_context(served())
            store = "s3://data/store"
        opened = House(tmp_path_factory.mktemp("house"), store)
        stack.callback(opened.close)
        opened.service("student", IDIOLECT_STUDENT_ENGINE="scripted")
        yield opened


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[ServedOracle]:
    async def make() -> LanguageModel:
        return Counting()

    settings = OracleSettings(votes=VoteSettings(votes=2))
    with ServedOracle(make, tmp_path / "oracle", thinking=settings) as served:
        yield served


@pytest.fixture
def workers(house: House, oracle: ServedOracle) -> Iterator[Part]:
    part = house.workers(IDIOLECT_ORACLE=oracle.address)
    yield part
    part.kill()


@pytest.fixture
def given(real_lines: list[bytes]) -> list[bytes]:
    return real_lines[:LINES]


def counted(oracle: ServedOracle) -> int:
    model = oracle.model
    assert isinstance(model, Counting)
    return model.told


def logged(house: House, order: JobOrder) -> int:
    return sum(one.tokens_in + one.tokens_out for one in house.desk.run_log(order))


def funds(house: House, order: JobOrder) -> Funds:
    return BudgetBook(house.store, order.key).read()


def test_the_run_log_tells_what_the_oracle_spent(
    house: House, oracle: ServedOracle, workers: Part, given: list[bytes]
) -> None:
    order = house.submit(given, scorer="none", lines_a_shard=8)
    house.end_of(order)
    assert logged(house, order) == counted(oracle) > 0


def test_a_budget_that_suffices_lets_the_job_complete(
    house: House, oracle: ServedOracle, workers: Part, given: list[bytes]
) -> None:
    order = house.submit(given, scorer="none", lines_a_shard=8, budget=10_000_000)
    end = house.end_of(order)
    assert (end.state, sum(end.counts.values())) == (JobState.COMPLETED, LINES)
    assert funds(house, order).bound == counted(oracle)


def test_a_budget_that_is_used_up_ends_the_job_and_keeps_what_was_finished(
    house: House, oracle: ServedOracle, workers: Part, given: list[bytes]
) -> None:
    order = house.submit(given, scorer="none", lines_a_shard=8, budget=SMALL)
    end = house.end_of(order)
    spent = funds(house, order)
    records = house.records(order).splitlines()
    assert (end.state, spent.bound, spent.held) == (JobState.FAILED, counted(oracle), {})
    assert f"budget: {SMALL} tokens" in str(end.reason)
    assert f"{spent.bound} were spent on {len(records)} of {LINES} lines" in str(end.reason)
    assert 0 < len(records) == len({json.loads(record)["line"] for record in records}) < LINES
    assert SMALL - 2 * (spent.most or 0) < spent.bound <= SMALL + (spent.most or 0)


def test_what_killed_workers_spent_is_counted(
    house: House, oracle: ServedOracle, workers: Part, given: list[bytes]
) -> None:
    order = house.submit(given, scorer="none", lines_a_shard=8, budget=10_000_000)
    eventually(lambda: funds(house, order).most, "the first settled line")
    workers.kill()
    before = counted(oracle)
    workers.start()
    end = house.end_of(order)
    assert before > 0
    assert end.state is JobState.COMPLETED
    assert funds(house, order).bound >= counted(oracle)
