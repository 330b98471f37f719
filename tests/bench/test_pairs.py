"""Two sides take turns, and the last line says how sure the ratio is."""

import asyncio
import json

import pytest

from bench.collect import last_line
from bench.pairs import Comparison, compare, compare_async, median_interval

TWICE = Comparison(ours=(4.0, 6.0, 3.0, 5.0, 4.0), rival=(2.0, 2.0, 2.0, 2.0, 2.0))


def test_the_sides_take_turns_after_one_warm_up_each() -> None:
    order: list[str] = []
    compare(lambda: order.append("a"), lambda: order.append("b"), pairs=3)
    assert "".join(order) == "ab" * 4


def test_coroutines_take_turns_too() -> None:
    order: list[str] = []

    async def side(name: str) -> float:
        order.append(name)
        return 1.0

    asyncio.run(compare_async(lambda: side("a"), lambda: side("b"), pairs=2))
    assert "".join(order) == "ab" * 3


def test_the_warm_up_does_not_count() -> None:
    assert len(compare(lambda: None, lambda: None, pairs=2).ratios) == 2


def test_more_work_in_the_same_time_is_faster() -> None:
    ratios = compare(lambda: 1e9, lambda: 1.0, pairs=1).ratios
    assert ratios[0] > 1


def test_the_value_is_the_median_of_the_ratios() -> None:
    assert TWICE.value == 2.0


def test_the_interval_of_the_median_holds_it_and_stays_among_the_ratios() -> None:
    low, high = TWICE.interval
    assert min(TWICE.ratios) <= low <= TWICE.value <= high <= max(TWICE.ratios)


def test_equal_values_have_no_spread() -> None:
    assert median_interval((3.0,) * 5) == (3.0, 3.0)


@pytest.mark.parametrize(("bar", "ok"), [(2.0, True), (2.1, False), (None, True)])
def test_the_bar_decides(bar: float | None, ok: bool) -> None:
    assert json.loads(TWICE.last_line("speed", "times", bar))["ok"] is ok


def test_the_collector_accepts_the_last_line() -> None:
    line = last_line("speed", TWICE.last_line("speed", "times", 1.5, peak=3))
    assert (line.value, line.problem) == (2.0, None)


def test_without_a_warm_up_every_pass_counts() -> None:
    order: list[str] = []
    compare(lambda: order.append("a"), lambda: order.append("b"), pairs=2, warm_up=False)
    assert "".join(order) == "abab"
