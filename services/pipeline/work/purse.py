"""What one attempt may spend of its job's budget: held before a line begins, settled when it has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from shared.jobs.budget import BudgetBook, Funds
from shared.metering import Usage

FIRST_TOKENS = 4096
"""Held for a line as long as no line of the job has shown what one takes."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The budget that an attempt draws on.

    Attributes:
        book: what is spent and held. tokens: the budget. holder: names the attempt.
        is_over: whether the attempt of that name has ended or vanished.
    """

    book: BudgetBook
    tokens: int
    holder: str
    is_over: Callable[[str], bool]


class Purse:
    """Counts what the lines of one attempt spend, and keeps it within the budget, where there is one.

    For a line as much is held as the dearest line of the job has taken so far; the first line of a job is
    worked alone. So a budget is exceeded only by what a line takes beyond the dearest one before it.
    """

    def __init__(self, limit: Limit | None, ahead: int) -> None:
        """`ahead`: for how many lines more is held at once."""
        self._limit, self._ahead = limit, ahead
        self._lock = threading.Lock()
        self._usage = Usage()
        self._most: int | None = None
        self._fresh = self._reserved = self._granted = 0
        if limit is not None:
            self._most = limit.book.change(lambda funds: _buried(funds, limit)).most

    @property
    def usage(self) -> Usage:
        """What the attempt has spent."""
        return self._usage

    def reserve(self) -> int | None:
        """Tokens that are held for one line more; None where there are not enough now."""
        if self._limit is None:
            return 0
        with self._lock:
            if self._most is None and self._reserved:
                return None
            if not self._covers(self._wanted()):
                self._ask()
            wanted = self._wanted()
            if not self._covers(wanted):
                return None
            self._reserved += wanted
            return wanted

    def settle(self, reserved: int, usage: Usage) -> None:
        """A line has ended, well or not."""
        with self._lock:
            self._usage += usage
            if self._limit is not None:
                self._reserved -= reserved
                self._fresh += usage.total
                self._most = max(self._most or 0, usage.total)

    def save(self) -> None:
        """Put down what was spent; what is held for lines that have not begun is kept."""
        if self._limit is not None:
            with self._lock:
                self._ask()

    def close(self) -> None:
        """Put down what was spent, and hold nothing any more."""
        if self._limit is not None:
            with self._lock:
                self._limit.book.change(lambda funds: self._told(funds, 0))
                self._fresh = self._granted = 0

    def is_exhausted(self) -> bool:
        """Whether there will never be enough for another line: nobody else holds what may come back."""
        if self._limit is None:
            return False
        limit = self._limit
        funds = limit.book.change(lambda now: _buried(now, limit))
        return not any(tokens for holder, tokens in funds.held.items() if holder != limit.holder)

    def _wanted(self) -> int:
        """What the next line needs; for the first one of a small budget all of it will do."""
        if self._most is not None:
            return self._most
        return min(FIRST_TOKENS, self._granted) or FIRST_TOKENS

    def _covers(self, wanted: int) -> bool:
        return self._reserved + self._fresh + wanted <= self._granted or wanted == 0

    def _ask(self) -> None:
        """Settle what was spent, and hold as much as is to be had for the lines that come next."""
        assert self._limit is not None
        limit = self._limit

        def changed(funds: Funds) -> Funds:
            told = self._told(funds, 0)
            free = max(0, limit.tokens - told.bound - self._reserved)
            return self._told(funds, self._reserved + self._share(told.most, free))

        funds = limit.book.change(changed)
        self._most, self._granted, self._fresh = funds.most, funds.held.get(limit.holder, 0), 0

    def _share(self, most: int | None, free: int) -> int:
        """How much of what is free to hold: enough for some whole lines."""
        if most is None:
            return min(FIRST_TOKENS, free)
        return min(self._ahead, free // most) * most if most else 0

    def _told(self, funds: Funds, held: int) -> Funds:
        assert self._limit is not None
        others = {name: tokens for name, tokens in funds.held.items() if name != self._limit.holder}
        mine = {self._limit.holder: held} if held else {}
        known = [most for most in (funds.most, self._most) if most is not None]
        return Funds(funds.spent + self._fresh, max(known, default=None), others | mine)


def _buried(funds: Funds, limit: Limit) -> Funds:
    """What attempts hold that are no more counts as spent."""
    return funds.settled([name for name in funds.held if name != limit.holder and limit.is_over(name)])
