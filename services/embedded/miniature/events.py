"""What can happen to a pile of things in a word problem: how it is told, and what it does to the number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Sign = Literal["+", "-", "*", "/"]
SIGNS: tuple[Sign, ...] = ("+", "-", "*", "/")


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event; `clause` tells it, with ``{who}``, ``{things}`` and ``{n}`` to be filled."""

    name: str
    sign: Sign
    clause: str

    def told(self, who: str, things: str, value: int) -> str:
        """The clause of one such event, without a full stop."""
        return self.clause.format(who=who, things=things, n=value)

    def value_in(self, who: str, things: str, clause: str) -> int | None:
        """The value for which `told` gives this clause; None where it tells something else."""
        pattern = re.escape(self.clause.format(who=who, things=things, n="\0")).replace("\0", "([0-9]{1,2})")
        found = re.fullmatch(pattern, clause)
        return None if found is None else int(found[1])


EVENTS = (
    Event("buys", "+", "{who} buys {n} more"),
    Event("finds", "+", "{who} finds {n} more"),
    Event("wins", "+", "{who} wins {n}"),
    Event("sells", "-", "{who} sells {n}"),
    Event("loses", "-", "{who} loses {n}"),
    Event("gives", "-", "{who} gives away {n}"),
    Event("grows", "*", "the pile grows to {n} times its size"),
    Event("shares", "/", "{who} cuts the pile into {n} equal parts and keeps one"),
)
NAMED = {event.name: event for event in EVENTS}
OF_SIGN = {sign: tuple(event for event in EVENTS if event.sign == sign) for sign in SIGNS}
