"""An exhausted limit is seen even where the library hides it."""

from __future__ import annotations

import sys

import pytest

from services.oracle.verifier.equality import Exhausted, watched
from services.oracle.verifier.question import Outcome


def _hidden_memory() -> Outcome:
    try:
        bytearray(sys.maxsize)
    except Exception:  # noqa: BLE001  (as the library does)
        return Outcome.DIFFERENT
    return Outcome.EQUAL


def _hidden_recursion() -> Outcome:
    def deeper(depth: int) -> int:
        return deeper(depth + 1)

    try:
        deeper(0)
    except Exception:  # noqa: BLE001
        return Outcome.DIFFERENT
    return Outcome.EQUAL


def _hidden_overflow() -> Outcome:
    try:
        float(10**400)
    except Exception:  # noqa: BLE001
        return Outcome.DIFFERENT
    return Outcome.EQUAL


@pytest.mark.parametrize("work", [_hidden_memory, _hidden_recursion, _hidden_overflow])
def test_a_limit_that_was_caught_inside_is_not_taken_for_a_difference(work: object) -> None:
    with pytest.raises(Exhausted):
        watched(work)  # type: ignore[arg-type]


def test_other_errors_that_were_caught_inside_do_no_harm() -> None:
    def work() -> Outcome:
        try:
            raise ValueError
        except ValueError:
            return Outcome.DIFFERENT

    assert watched(work) is Outcome.DIFFERENT
