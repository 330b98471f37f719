"""The engine as its callers see it: asynchronous, shared, and clear about what went wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import torch

from services.inference.base import LanguageModel
from services.inference.checkpoint import Checkpoint
from services.inference.transformers.desk import Desk
from services.inference.transformers.engine import TransformersEngine, TransformersSettings
from services.inference.transformers.sampler import Room
from shared.domain import Message, Prompt, Sample, Sampling
from shared.errors import FieldError, UnavailableError

PROMPT = Prompt((Message("user", "Tom has 3 apples and buys 4 more. How many does he have?"),))
GREEDY = Sampling(temperature=0, max_tokens=4)
ENDLESS = Sampling(n=4, max_tokens=4000, temperature=1.5)


async def samples(engine: LanguageModel, sampling: Sampling, prompt: Prompt = PROMPT) -> list[Sample]:
    return [sample async for sample in engine.sample(prompt, sampling)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for the model's thread; the limit is only there so that a failure ends."""
    async with asyncio.timeout(120):
        while not condition():
            await asyncio.sleep(0.005)


def with_engine(make: Callable[[], Desk], use: Callable[[TransformersEngine], Awaitable[None]]) -> None:
    """Run a test on an engine of its own, and close it whatever happens."""

    async def main() -> None:
        engine = await TransformersEngine.over(make)
        try:
            await use(engine)
        finally:
            await engine.close()

    asyncio.run(main())


class Broken(torch.nn.Module):
    """A model that works until it has been asked `turns` times and then raises `error`."""

    def __init__(self, whole: torch.nn.Module, turns: int, error: BaseException) -> None:
        super().__init__()
        self.whole, self.turns, self.error = whole, turns, error
        self.config, self.generation_config = whole.config, whole.generation_config
        self.base_model = whole.base_model

    def get_output_embeddings(self) -> torch.nn.Module:
        return self.whole.get_output_embeddings()

    def forward(self, **given: object) -> object:
        self.turns -= 1
        if self.turns < 0:
            raise self.error
        return self.whole(**given)


def test_it_is_a_language_model(engine: TransformersEngine) -> None:
    assert isinstance(engine, LanguageModel)


def test_the_info_says_what_it_does_not_do(engine: TransformersEngine, smollm: Checkpoint) -> None:
    assert engine.info.digest == smollm.digest
    assert engine.info.limits == "does not enforce JSON schemas"


def test_every_sample_of_a_request_comes_once(engine: TransformersEngine) -> None:
    found = asyncio.run(samples(engine, Sampling(n=3, max_tokens=3)))
    assert sorted(sample.index for sample in found) == [0, 1, 2]


def test_calls_that_come_together_run_together(engine: TransformersEngine) -> None:
    async def eight() -> None:
        await asyncio.gather(*(samples(engine, Sampling(max_tokens=6, seed=seed)) for seed in range(8)))

    asyncio.run(eight())
    assert engine.figures.peak_running >= 8


def test_the_event_loop_goes_on_while_the_model_works(engine: TransformersEngine) -> None:
    async def main() -> int:
        turns = 0
        task = asyncio.create_task(samples(engine, Sampling(max_tokens=4)))
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(main()) > 20


def test_a_closed_iterator_stops_its_rows(engine: TransformersEngine) -> None:
    async def main() -> None:
        stream = engine.sample(PROMPT, replace(ENDLESS, n=1, stop=("e",)))
        await anext(stream)
        rest = engine.sample(PROMPT, ENDLESS)
        waiting = asyncio.ensure_future(anext(rest))
        await until(lambda: engine.figures.running == 4)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: engine.figures.running == engine.figures.waiting == 0)

    asyncio.run(main())


def test_a_cancelled_call_leaves_the_others_alone(engine: TransformersEngine) -> None:
    async def main() -> list[Sample]:
        long = asyncio.create_task(samples(engine, ENDLESS))
        await until(lambda: engine.figures.running == 4)
        short = asyncio.create_task(samples(engine, GREEDY))
        long.cancel()
        return await short

    assert asyncio.run(main())[0].text == asyncio.run(samples(engine, GREEDY))[0].text


def test_many_cancelled_calls_leave_nothing_behind(engine: TransformersEngine) -> None:
    async def main() -> None:
        for _ in range(25):
            tasks = [asyncio.create_task(samples(engine, ENDLESS)) for _ in range(8)]
            await asyncio.sleep(0.001)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: engine.figures.running == engine.figures.waiting == 0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("prompt", "sampling", "field"),
    [
        (Prompt(()), GREEDY, "messages"),
        (Prompt((Message("user", "12 " * 9000),)), GREEDY, "messages"),
        (Prompt((Message("tool", "hi"),)), GREEDY, "messages[0].role"),
        (Prompt((Message("user", "a\ud800"),)), GREEDY, "messages[0].content"),
        (replace(PROMPT, prefix="a\ud800"), GREEDY, "prefix"),
        (PROMPT, Sampling(temperature=-1), "temperature"),
        (PROMPT, Sampling(max_tokens=0), "max_tokens"),
    ],
)
def test_what_cannot_be_served_is_refused_by_field(
    engine: TransformersEngine, prompt: Prompt, sampling: Sampling, field: str
) -> None:
    with pytest.raises(FieldError) as caught:
        asyncio.run(samples(engine, sampling, prompt))
    assert caught.value.field == field


def test_a_text_that_does_not_fit_is_refused_and_its_neighbours_are_scored(
    engine: TransformersEngine,
) -> None:
    async def main() -> list[object]:
        texts = ("7 apples", "12 " * 9000, "8 apples")
        return await asyncio.gather(*(engine.score(PROMPT, text) for text in texts), return_exceptions=True)

    found = asyncio.run(main())
    assert [isinstance(one, FieldError) for one in found] == [False, True, False]


def test_concurrent_scores_read_their_prompt_once(engine: TransformersEngine) -> None:
    async def main() -> int:
        before = engine.figures.cache_hits or 0
        await asyncio.gather(*(engine.score(PROMPT, f"{number} apples") for number in range(6)))
        return (engine.figures.cache_hits or 0) - before

    assert asyncio.run(main()) > 0


def test_an_error_of_the_model_is_told_and_survived(smollm: Checkpoint) -> None:
    async def use(engine: TransformersEngine) -> None:
        with pytest.raises(UnavailableError, match="no memory left"):
            await samples(engine, GREEDY)
        assert (await engine.score(PROMPT, "7")).ranks

    broken = Broken(smollm.model, 2, RuntimeError("no memory left"))
    with_engine(lambda: Desk(replace(smollm, model=broken), threads=1), use)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_thread_dies_every_call_fails_at_once(smollm: Checkpoint) -> None:
    async def use(engine: TransformersEngine) -> None:
        calls = [samples(engine, replace(GREEDY, max_tokens=50)) for _ in range(3)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in found] == [UnavailableError] * 3
        with pytest.raises(UnavailableError, match="died"):
            await engine.score(PROMPT, "7")

    broken = Broken(smollm.model, 3, KeyboardInterrupt("pulled out"))
    with_engine(lambda: Desk(replace(smollm, model=broken), threads=1), use)


def test_close_fails_what_runs_and_all_that_comes_later(smollm: Checkpoint) -> None:
    async def use(engine: TransformersEngine) -> None:
        running = asyncio.create_task(samples(engine, ENDLESS))
        await until(lambda: engine.figures.running == 4)
        await engine.close()
        with pytest.raises(UnavailableError, match="closed"):
            await running
        with pytest.raises(UnavailableError, match="closed"):
            await samples(engine, GREEDY)

    with_engine(lambda: Desk(smollm, threads=1), use)


def test_asleep_it_refuses_and_awake_it_says_the_same_as_before(smollm: Checkpoint) -> None:
    async def use(engine: TransformersEngine) -> None:
        before = await samples(engine, GREEDY)
        await engine.sleep()
        with pytest.raises(UnavailableError, match="sleeps"):
            await samples(engine, GREEDY)
        with pytest.raises(UnavailableError, match="sleeps"):
            await engine.score(PROMPT, "7")
        await engine.wake()
        assert await samples(engine, GREEDY) == before

    with_engine(lambda: Desk(smollm, Room(cached=0), threads=1), use)


def test_sleep_waits_for_what_runs(smollm: Checkpoint) -> None:
    async def use(engine: TransformersEngine) -> None:
        running = asyncio.create_task(samples(engine, GREEDY))
        await until(lambda: engine.figures.running > 0)
        await engine.sleep()
        assert (await running)[0].tokens == 4

    with_engine(lambda: Desk(smollm, threads=1), use)


def test_a_model_that_is_not_there_leaves_the_old_one_served(
    engine: TransformersEngine, tmp_path: object
) -> None:
    async def main() -> None:
        with pytest.raises(UnavailableError):
            await engine.load(str(tmp_path))
        assert (await samples(engine, GREEDY))[0].tokens == 4

    asyncio.run(main())


def test_a_start_without_a_model_says_so(tmp_path: object) -> None:
    with pytest.raises(UnavailableError, match="safetensors"):
        asyncio.run(TransformersEngine.start(TransformersSettings(str(tmp_path))))
