"""A language model whose samples are counted, for the call that asked for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from services.inference.base import LanguageModel
from shared.domain import EngineFigures, ModelInfo, Prompt, Sample, Sampling, TokenScores
from shared.metering import Usage, spend


@dataclass(frozen=True, slots=True)
class MeteredModel:
    """Implements `LanguageModel` by another one.

    A sample counts when it is finished, and the prompt with the first one. What a stream had under way when
    it was closed is told by no engine, so it isn't counted.
    """

    inner: LanguageModel

    @property
    def info(self) -> ModelInfo:
        """The model that is served."""
        return self.inner.info

    @property
    def figures(self) -> EngineFigures:
        """Those of the model."""
        return self.inner.figures

    async def sample(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Sample]:
        """What the model samples."""
        # Every engine's samples are a generator, which stops its work when it is closed.
        samples = cast("AsyncGenerator[Sample, None]", self.inner.sample(prompt, sampling))
        read = True
        async with aclosing(samples) as found:
            async for sample in found:
                spend(Usage(sample.prompt_tokens if read else 0, sample.tokens))
                read = False
                yield sample

    async def score(self, prompt: Prompt, text: str) -> TokenScores:
        """What the model scores."""
        return await self.inner.score(prompt, text)

    async def load(self, source: str) -> ModelInfo:
        """Serve another model."""
        return await self.inner.load(source)

    async def adapt(self, source: str | None) -> ModelInfo:
        """Serve with an adapter."""
        return await self.inner.adapt(source)

    async def sleep(self) -> None:
        """Give the memory back."""
        await self.inner.sleep()

    async def wake(self) -> None:
        """Be ready again."""
        await self.inner.wake()

    async def close(self) -> None:
        """End the model."""
        await self.inner.close()
