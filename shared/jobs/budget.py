"""The token budget of a job in the store: what is spent of it, and what is held for work under way.

Each change is an object of its own with the number that follows, written only where nobody else has written
it. So the sum is exact however many workers draw on it, and outlives all of them. The objects go with the
job.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from shared.errors import IntegrityError
from shared.jobs.layout import JobKey
from shared.store.base import Store


@dataclass(frozen=True, slots=True)
class Funds:
    """How a budget stands, in tokens.

    Attributes:
        spent: for good. most: the most that one line has taken; None before the first one.
        held: what attempts, by ``SHARD/ATTEMPT``, hold for lines at work.
    """

    spent: int = 0
    most: int | None = None
    held: Mapping[str, int] = field(default_factory=dict)

    @property
    def bound(self) -> int:
        """Spent and held: what will have been spent at most, if nothing more is begun."""
        return self.spent + sum(self.held.values())

    def settled(self, holders: list[str]) -> Funds:
        """What these hold counts as spent, since nobody can tell any more how much of it was."""
        lost = sum(self.held.get(name, 0) for name in holders)
        held = {name: tokens for name, tokens in self.held.items() if name not in holders}
        return Funds(self.spent + lost, self.most, held)


class BudgetBook:
    """Funds of one job; for one thread at a time."""

    def __init__(self, store: Store, key: JobKey) -> None:
        self._store, self._folder = store, key.budget
        self._number, self._funds = 0, Funds()

    def read(self) -> Funds:
        """The funds as they stand now."""
        last = f"{self._folder}{self._number:08d}"
        newest = last
        while page := self._store.list(self._folder, newest):
            newest = page[-1]
        if newest != last:
            self._number = int(newest.removeprefix(self._folder))
            self._funds = _loaded(self._store.get(newest))
        return self._funds

    def change(self, changed: Callable[[Funds], Funds]) -> Funds:
        """The funds after the change, which is tried on whatever they are until nobody comes between."""
        while True:
            before = self.read()
            after = changed(before)
            if after == before:
                return before
            told = json.dumps(asdict(after), sort_keys=True).encode()
            if self._store.put_if_absent(f"{self._folder}{self._number + 1:08d}", told):
                self._number, self._funds = self._number + 1, after
                return after


def _loaded(data: bytes) -> Funds:
    try:
        return Funds(**json.loads(data))
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"a budget can't be read ({error})") from None
