"""The HTTP side of an endpoint: every attempt passes the budgets, the rates and the limit of concurrency."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from services.inference.openai.answers import first_choice, mapping, read_usage
from services.inference.openai.faults import (
    BrokenAnswerError,
    asked_by,
    concerns_model,
    explained,
    may_pass,
    one_line,
    status_of,
)
from services.inference.openai.pace import Pace
from services.inference.openai.retrying import wait_before
from services.inference.openai.settings import OpenAISettings, read_key
from services.inference.openai.spending import Spending, Usage
from shared.domain.model import EngineFigures
from shared.errors import IdiolectError, UnavailableError

if TYPE_CHECKING:
    import openai

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Call:
    """One call to an endpoint.

    Attributes:
        path: below the base address. model: that is asked. field: what the caller gave that may be too long.
        body: the JSON to send. need: most tokens that an attempt may take.
    """

    path: str
    model: str
    field: str
    body: Mapping[str, object]
    need: Usage


class Endpoint:
    """Sends calls with the official client, whose own retries are off: they would pass the budgets unseen."""

    def __init__(self, settings: OpenAISettings) -> None:
        """Make it where the event loop runs. Raises UnavailableError where package or key are missing."""
        self.settings = settings
        self.spending = Spending(settings)
        self._client, self._options = _client(settings)
        self._pace = Pace(settings)
        self._places = asyncio.Semaphore(settings.concurrency)
        self._calls: set[asyncio.Task[object]] = set()
        self._running = self._peak = 0
        self._shut = asyncio.Event()

    @property
    def figures(self) -> EngineFigures:
        """Requests under way, and calls that wait (for a place, a rate, a budget or the next attempt)."""
        waiting = max(0, len(self._calls) - self._running)
        return EngineFigures(running=self._running, waiting=waiting, peak_running=self._peak)

    async def stream(
        self, call: Call, read: Callable[[AsyncIterator[object], Usage], Awaitable[Result]]
    ) -> Result:
        """What `read` makes of the streamed pieces; it writes into the usage what is known to be spent."""
        import openai

        async def attempt(used: Usage) -> Result:
            pieces = await self._client.post(
                call.path,
                cast_to=object,
                body=dict(call.body),
                options=self._options,
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
            async with pieces:
                return await read(pieces, used)

        return await self._served(call, attempt)

    async def post(self, call: Call, read: Callable[[Mapping[str, object]], Result]) -> Result:
        """What `read` makes of the first choice of an answer that comes in one piece."""

        async def attempt(used: Usage) -> Result:
            answer: object = await self._client.post(
                call.path, cast_to=object, body=dict(call.body), options=self._options
            )
            if (told := read_usage(answer)) is not None:
                used.tokens_in, used.tokens_out = told[0].tokens_in, told[0].tokens_out
            if not (choice := first_choice(answer)):
                raise BrokenAnswerError("the answer holds no choice")
            if told is None:
                used.tokens_in, used.tokens_out = call.need.tokens_in, call.need.tokens_out
            return read(choice)

        return await self._served(call, attempt)

    async def models(self) -> dict[str, int]:
        """Models that the endpoint lists, with their context (0 where it doesn't tell); empty without a list.

        Raises UnavailableError where nobody answers, or the key is refused.
        """

        async def attempt(_: Usage) -> dict[str, int]:
            return await self._listed()

        return await self._served(Call("/models", "", "model", {}, Usage()), attempt)

    async def close(self) -> None:
        """End the calls under way, which raise UnavailableError, and the connections."""
        self._shut.set()
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self._client.close()

    async def _served(self, call: Call, attempt: Callable[[Usage], Awaitable[Result]]) -> Result:
        """The call as a task of its own, so that closing can end it without ending its caller."""
        if self._shut.is_set():
            raise UnavailableError("the engine is closed")
        task = asyncio.ensure_future(self._placed(call, attempt))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._shut.is_set() and not (caller and caller.cancelling()):
                raise UnavailableError("the engine was closed") from None
            raise

    async def _placed(self, call: Call, attempt: Callable[[Usage], Awaitable[Result]]) -> Result:
        """Retries give their place away while they wait."""
        import openai

        number = 0
        while True:
            try:
                async with self._places:
                    return await self._attempted(call, attempt, retry=number > 0)
            except (openai.APIError, BrokenAnswerError, json.JSONDecodeError) as found:
                error = _readable(found)
            number += 1
            pause = self._pause(error, number)
            if pause is None:
                raise await self._explained(error, call, number) from error
            await asyncio.sleep(pause)

    async def _attempted(
        self, call: Call, attempt: Callable[[Usage], Awaitable[Result]], *, retry: bool
    ) -> Result:
        async with self.spending.reserved(call.need) as used:
            await self._pace.admit(call.need.total)
            self.spending.count(retry=retry)
            self._running += 1
            self._peak = max(self._peak, self._running)
            try:
                return await attempt(used)
            finally:
                self._running -= 1

    def _pause(self, error: openai.APIError | BrokenAnswerError, number: int) -> float | None:
        if not may_pass(error):
            return None
        return wait_before(number, asked_by(error), random.random(), self.settings)

    async def _explained(self, error: Exception, call: Call, attempts: int) -> IdiolectError:
        asked = concerns_model(error, call.model) and call.model
        return explained(
            error,
            self.settings,
            model=call.model,
            field=call.field,
            attempts=attempts,
            served=tuple(await self._known()) if asked else (),
        )

    async def _known(self) -> dict[str, int]:
        """The models, to explain another failure: asked once, and none where that fails too."""
        import openai

        self.spending.count(retry=False)
        try:
            return await self._listed()
        except openai.APIError:
            return {}

    async def _listed(self) -> dict[str, int]:
        import openai

        try:
            return _cards(await self._client.get("/models", cast_to=object, options=self._options))
        except openai.APIStatusError as error:
            if status_of(error) in (401, 403):
                raise
            return {}
        except (openai.APIResponseValidationError, json.JSONDecodeError):
            return {}


def _client(settings: OpenAISettings) -> tuple[openai.AsyncOpenAI, openai.RequestOptions]:
    """The client, and what every request must be told."""
    try:
        import openai
    except ImportError as error:
        raise UnavailableError("openai is not installed; install idiolect[openai]") from error
    key = read_key(settings)
    # The client would take key, organisation and project from the environment, whoever they are meant for.
    left_out = {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()}
    client = openai.AsyncOpenAI(
        api_key=key or "none",
        base_url=settings.base_url,
        timeout=settings.timeout,
        max_retries=0,
        default_headers=left_out,  # type: ignore[arg-type]
    )
    return client, {} if key else {"headers": {"Authorization": openai.Omit()}}


def _readable(
    error: openai.APIError | BrokenAnswerError | json.JSONDecodeError,
) -> openai.APIError | BrokenAnswerError:
    if isinstance(error, json.JSONDecodeError):
        return BrokenAnswerError(f"the answer is no JSON: {one_line(error)}")
    return error


def _cards(answer: object) -> dict[str, int]:
    """Names and contexts in a list of models."""
    cards = mapping(answer).get("data")
    found: dict[str, int] = {}
    for card in map(mapping, cards if isinstance(cards, list) else ()):
        name, context = card.get("id"), card.get("max_model_len")
        if isinstance(name, str):
            found[name] = context if isinstance(context, int) and context > 0 else 0
    return found
