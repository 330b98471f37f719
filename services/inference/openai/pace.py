"""Keeps requests and tokens below a rate, so that the endpoint need not refuse them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.inference.openai.settings import OpenAISettings

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

MINUTE = 60.0


class Pace:
    """Leaky buckets of a minute: a full minute's worth may go at once, then as it drains.

    Each attempt takes one request and the tokens that it may need; nothing is given back, since endpoints
    count so too. A request that needs more than a minute's tokens takes them all.
    """

    def __init__(self, settings: OpenAISettings) -> None:
        self._requests = _bucket(settings.requests_per_minute)
        self._tokens = _bucket(settings.tokens_per_minute)

    async def admit(self, tokens: int) -> None:
        """Return once a request of so many tokens may go."""
        if self._tokens is not None:
            await self._tokens.acquire(min(tokens, self._tokens.max_rate))
        if self._requests is not None:
            await self._requests.acquire()


def _bucket(rate: float | None) -> AsyncLimiter | None:
    if rate is None:
        return None
    import aiolimiter

    return aiolimiter.AsyncLimiter(rate, MINUTE)
