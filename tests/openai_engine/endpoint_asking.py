"""Short ways to ask an engine from a test that isn't asynchronous."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from services.inference.openai.engine import OpenAIEngine
from services.inference.openai.settings import OpenAISettings
from shared.domain.model import Message, Prompt, Sample, Sampling

Result = TypeVar("Result")
PROMPT = Prompt((Message("user", "What is 3 + 4?"),))


def with_engine(settings: OpenAISettings, ask: Callable[[OpenAIEngine], Awaitable[Result]]) -> Result:
    """What `ask` returns, with an engine that is closed afterwards."""

    async def run() -> Result:
        engine = await OpenAIEngine.connect(settings)
        try:
            return await ask(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


async def samples(engine: OpenAIEngine, prompt: Prompt = PROMPT, **sampling: Any) -> list[Sample]:
    """All samples, in order."""
    found = [sample async for sample in engine.sample(prompt, Sampling(**sampling))]
    return sorted(found, key=lambda sample: sample.index)


def quick(url: str, **changed: Any) -> OpenAISettings:
    """Settings that lose no time between attempts."""
    return OpenAISettings(**{"base_url": url, "model": "m", "first_wait": 0.001, "timeout": 20.0, **changed})
