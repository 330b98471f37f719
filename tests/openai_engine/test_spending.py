"""Budgets, rates, cost and what ends a call early."""

import asyncio

import pytest
from endpoint_asking import PROMPT, quick, samples, with_engine
from faulty_endpoint import Faulty, Hang, Refusal, Streamed

from services.inference.openai.engine import OpenAIEngine
from services.inference.openai.spending import Spent
from shared.domain.model import EngineFigures, Sampling
from shared.errors import BudgetError, UnavailableError

PRICES = {"price_in": 1.0, "price_out": 10.0}


def waited(semaphore: object) -> "asyncio.Future[bool]":
    """The server's signal, without stopping the loop."""
    return asyncio.ensure_future(asyncio.to_thread(semaphore.acquire, timeout=20))  # type: ignore[attr-defined]


def test_everything_that_was_sent_is_counted(faulty: Faulty) -> None:
    faulty.script = [Refusal(500)]

    async def ask(engine: OpenAIEngine) -> Spent:
        await samples(engine, n=3)
        return engine.spent

    # One request asks for the models.
    expected = Spent(requests=5, retries=1, tokens_in=30, tokens_out=9, cost=120 / 1e6)
    assert with_engine(quick(faulty.url, **PRICES), ask) == expected


def test_an_answer_that_broke_off_is_counted_as_far_as_it_came(faulty: Faulty) -> None:
    faulty.script = [Streamed(("a", "b"), reason=None, usage=None)]

    async def ask(engine: OpenAIEngine) -> int:
        await samples(engine)
        return engine.spent.tokens_out

    assert with_engine(quick(faulty.url), ask) == 2 + 3


def test_a_spent_token_budget_ends_the_work_and_keeps_what_is_done(faulty: Faulty) -> None:
    kept = []

    async def ask(engine: OpenAIEngine) -> None:
        async for sample in engine.sample(PROMPT, Sampling(n=9, max_tokens=20)):
            kept.append(sample.index)

    with pytest.raises(BudgetError, match=r"token budget of 60 has 39 spent.*may take 32"):
        with_engine(quick(faulty.url, token_budget=60), ask)
    assert len(kept) == len(faulty.bodies) == 3


def test_a_spent_cost_budget_names_what_is_spent(faulty: Faulty) -> None:
    settings = quick(faulty.url, cost_budget=0.000_1, **PRICES)
    with pytest.raises(BudgetError, match=r"cost budget of 0.0001 has 4e-05 spent"):
        with_engine(settings, lambda engine: samples(engine, n=2, max_tokens=6))


def test_attempts_that_fail_return_what_they_reserved(faulty: Faulty) -> None:
    faulty.script = [Refusal(500)] * 4
    assert len(with_engine(quick(faulty.url, token_budget=50), lambda e: samples(e, max_tokens=20))) == 1


def test_no_more_requests_run_together_than_allowed(faulty: Faulty) -> None:
    async def ask(engine: OpenAIEngine) -> int:
        await samples(engine, n=20)
        return engine.figures.peak_running

    assert with_engine(quick(faulty.url, concurrency=3), ask) == 3


def test_the_request_rate_holds_back_what_exceeds_a_minute(faulty: Faulty) -> None:
    async def ask(engine: OpenAIEngine) -> EngineFigures:
        asking = asyncio.ensure_future(samples(engine, n=5))
        # The list of models took the first of the minute's three.
        while engine.spent.requests < 3 or engine.figures.running:
            await asyncio.sleep(0.01)
        figures = engine.figures
        asking.cancel()
        return figures

    assert with_engine(quick(faulty.url, requests_per_minute=3), ask).waiting == 3
    assert len(faulty.bodies) == 2


def test_the_token_rate_holds_back_what_exceeds_a_minute(faulty: Faulty) -> None:
    async def ask(engine: OpenAIEngine) -> None:
        asking = asyncio.ensure_future(samples(engine, n=4, max_tokens=20))
        while engine.spent.requests < 3 or engine.figures.running:
            await asyncio.sleep(0.01)
        asking.cancel()

    with_engine(quick(faulty.url, tokens_per_minute=70), ask)
    assert len(faulty.bodies) == 2


def test_cancelling_closes_the_connection(faulty: Faulty) -> None:
    faulty.after = Hang(("4",))

    async def ask(engine: OpenAIEngine) -> bool:
        asking = asyncio.ensure_future(samples(engine))
        await waited(faulty.hanging)
        asking.cancel()
        return await waited(faulty.left)

    assert with_engine(quick(faulty.url), ask)


def test_leaving_the_samples_early_closes_the_other_connections(faulty: Faulty) -> None:
    faulty.script, faulty.after = [Streamed()], Hang()

    async def ask(engine: OpenAIEngine) -> bool:
        found = engine.sample(PROMPT, Sampling(n=2))
        await anext(found)
        await waited(faulty.hanging)
        await found.aclose()  # type: ignore[attr-defined]
        return await waited(faulty.left)

    assert with_engine(quick(faulty.url), ask)


def test_a_cancelled_answer_is_paid_as_far_as_it_came(faulty: Faulty) -> None:
    faulty.script = [Hang(("4", "2"))]

    async def ask(engine: OpenAIEngine) -> int:
        asking = asyncio.ensure_future(samples(engine))
        await waited(faulty.hanging)
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return engine.spent.tokens_out

    assert with_engine(quick(faulty.url), ask) == 2


def test_a_thousand_cancelled_calls_leave_nothing_behind(faulty: Faulty) -> None:
    faulty.after = Hang()

    async def ask(engine: OpenAIEngine) -> EngineFigures:
        for _ in range(10):
            asking = [asyncio.ensure_future(samples(engine)) for _ in range(100)]
            await waited(faulty.hanging)
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        return engine.figures

    figures = with_engine(quick(faulty.url, token_budget=100_000), ask)
    assert (figures.running, figures.waiting) == (0, 0)
    assert all(faulty.left.acquire(timeout=20) for _ in faulty.bodies)


def test_closing_ends_the_running_calls(faulty: Faulty) -> None:
    faulty.after = Hang()

    async def ask(engine: OpenAIEngine) -> None:
        asking = asyncio.ensure_future(samples(engine))
        await waited(faulty.hanging)
        await engine.close()
        await asking

    with pytest.raises(UnavailableError, match="closed"):
        with_engine(quick(faulty.url), ask)


def test_a_closed_engine_answers_no_more(faulty: Faulty) -> None:
    async def ask(engine: OpenAIEngine) -> None:
        await engine.close()
        await samples(engine)

    with pytest.raises(UnavailableError, match="closed"):
        with_engine(quick(faulty.url), ask)
