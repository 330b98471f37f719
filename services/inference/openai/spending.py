"""What an endpoint has cost so far, and the budgets that end its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.inference.openai.settings import OpenAISettings
from shared.errors import BudgetError

MILLION = 1_000_000


@dataclass(slots=True)
class Usage:
    """Tokens of one attempt, in both directions."""

    tokens_in: int = 0
    tokens_out: int = 0

    @property
    def total(self) -> int:
        """Tokens of both directions."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent since the engine began; failed attempts included as far as their usage is known.

    Attributes:
        requests: HTTP requests sent, retries included. retries: how many of them were retries.
        tokens_in, tokens_out: as the server counts them; where it doesn't say (a cut or cancelled answer),
            the estimated prompt and one token for each piece that arrived.
        cost: in the currency of the prices; None without prices.
    """

    requests: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None


class Spending:
    """Reserves before an attempt what it may need, and settles afterwards what it took.

    An attempt waits while only the reservations of others stand in its way. The budgets hold up to the error
    of a prompt's estimate; with a local tokenizer there is none.
    """

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._requests = self._retries = 0
        self._spent = Usage()
        self._reserved = Usage()
        self._open = 0
        self._settled = asyncio.Event()

    @property
    def spent(self) -> Spent:
        """A snapshot."""
        used = self._spent
        priced = self._settings.price_in is not None and self._settings.price_out is not None
        cost = self._cost(used.tokens_in, used.tokens_out) if priced else None
        return Spent(self._requests, self._retries, used.tokens_in, used.tokens_out, cost)

    def count(self, *, retry: bool) -> None:
        """Count a request that is being sent."""
        self._requests += 1
        self._retries += retry

    @asynccontextmanager
    async def reserved(self, need: Usage) -> AsyncIterator[Usage]:
        """Room for `need`; what is written into the yielded usage is spent on leaving, whatever happened.

        Raises BudgetError where what is spent leaves no room.
        """
        await self._room_for(need)
        self._book(need, 1)
        used = Usage()
        try:
            yield used
        finally:
            self._book(need, -1)
            self._spent.tokens_in += used.tokens_in
            self._spent.tokens_out += used.tokens_out
            self._settled.set()
            self._settled = asyncio.Event()

    async def _room_for(self, need: Usage) -> None:
        while (lack := self._lack(need)) is not None:
            if not self._open:
                raise BudgetError(lack)
            await self._settled.wait()

    def _book(self, need: Usage, sign: int) -> None:
        self._open += sign
        self._reserved.tokens_in += sign * need.tokens_in
        self._reserved.tokens_out += sign * need.tokens_out

    def _lack(self, need: Usage) -> str | None:
        """Which budget has no room beside what is spent and reserved; None where both have."""
        tokens, cost = self._settings.token_budget, self._settings.cost_budget
        claimed = self._spent.total + self._reserved.total
        if tokens is not None and claimed + need.total > tokens:
            return self._said("token", f"{tokens:,}", f"{self._spent.total:,}", f"{need.total:,}")
        used, held = self._spent, self._reserved
        price = self._cost(used.tokens_in + held.tokens_in, used.tokens_out + held.tokens_out)
        more = self._cost(need.tokens_in, need.tokens_out)
        if cost is not None and price + more > cost:
            spent = self._cost(used.tokens_in, used.tokens_out)
            return self._said("cost", f"{cost:g}", f"{spent:g}", f"{more:g}")
        return None

    def _said(self, kind: str, budget: str, spent: str, need: str) -> str:
        return (
            f"the {kind} budget of {budget} has {spent} spent, "
            f"and the next request to {self._settings.model} may take {need}"
        )

    def _cost(self, tokens_in: int, tokens_out: int) -> float:
        price_in, price_out = self._settings.price_in or 0.0, self._settings.price_out or 0.0
        return (tokens_in * price_in + tokens_out * price_out) / MILLION
