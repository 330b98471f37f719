"""Attempts that draw on one budget: held before, settled after, and never more than there is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.pipeline.work.purse import FIRST_TOKENS, Limit, Purse
from shared.jobs.budget import BudgetBook, Funds
from shared.jobs.layout import JobKey
from shared.metering import Usage
from shared.store import open_store
from shared.store.base import Store

KEY = JobKey("acme", "job-1")
ONE = Usage(60, 40)
AHEAD = 8


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file:{tmp_path}")


def purse(store: Store, budget: int, holder: str = "000000/0001", over: tuple[str, ...] = ()) -> Purse:
    return Purse(Limit(BudgetBook(store, KEY), budget, holder, over.__contains__), AHEAD)


def funds(store: Store) -> Funds:
    return BudgetBook(store, KEY).read()


def worked(some: Purse, most: int) -> int:
    """Lines that a purse pays for, one after the other."""
    lines = 0
    while lines < most and (held := some.reserve()) is not None:
        some.settle(held, ONE)
        lines += 1
    some.close()
    return lines


def test_as_many_lines_are_worked_as_the_budget_pays_for(store: Store) -> None:
    assert worked(purse(store, 1050), 99) == 10


def test_what_was_spent_is_put_down(store: Store) -> None:
    worked(purse(store, 1050), 99)
    assert funds(store) == Funds(1000, 100, {})


def test_the_first_line_of_a_job_is_worked_alone(store: Store) -> None:
    first = purse(store, 10 * FIRST_TOKENS)
    assert (first.reserve(), first.reserve()) == (FIRST_TOKENS, None)


def test_many_at_once_spend_no_more_than_there_is(store: Store) -> None:
    worked(purse(store, 5050, "000009/0001"), 1)
    many = [purse(store, 5050, f"00000{number}/0001") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        lines = list(pool.map(lambda one: worked(one, 99), many))
    lines.append(worked(purse(store, 5050, "000010/0001"), 99))
    assert (sum(lines), funds(store).bound) == (49, 5000)


def test_who_waits_for_what_others_hold_is_not_exhausted(store: Store) -> None:
    worked(purse(store, 500, "000009/0001"), 1)
    first, second = purse(store, 500), purse(store, 500, "000001/0001")
    assert first.reserve() == 100
    assert (second.reserve(), second.is_exhausted()) == (None, False)


def test_who_waits_for_nobody_is_exhausted(store: Store) -> None:
    first = purse(store, 500)
    worked(first, 99)
    assert first.is_exhausted()


def test_what_a_vanished_attempt_held_is_spent(store: Store) -> None:
    worked(purse(store, 10_000, "000009/0001"), 1)
    purse(store, 10_000).reserve()
    purse(store, 10_000, "000000/0002", over=("000000/0001",))
    assert funds(store) == Funds(100 + AHEAD * 100, 100, {})


def test_lines_that_cost_nothing_are_never_refused(store: Store) -> None:
    free = purse(store, 1)
    free.settle(free.reserve() or 0, Usage())
    assert [free.reserve() for _ in range(99)] == [0] * 99


def test_without_a_budget_spending_is_only_counted() -> None:
    unlimited = Purse(None, AHEAD)
    unlimited.settle(unlimited.reserve() or 0, ONE)
    assert unlimited.usage == ONE
