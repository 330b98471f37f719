"""No language model at all, for services that work by rules or by what they fitted themselves."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from shared.domain import EngineFigures, ModelInfo, Prompt, Sample, Sampling, TokenScores
from shared.errors import UnsupportedError


class AbsentModel:
    """Implements `LanguageModel` by saying which engine could."""

    def __init__(self, engine: str, version: str) -> None:
        """`engine` names what works in its place, `version` what determines its results."""
        digest = hashlib.sha256(f"{engine}\x1f{version}".encode()).hexdigest()
        limits = f"{engine} is no language model: it neither generates nor scores by itself"
        self._info = ModelInfo(engine, engine, digest, generates=False, scores=False, limits=limits)

    @property
    def info(self) -> ModelInfo:
        """Neither generates nor scores."""
        return self._info

    @property
    def figures(self) -> EngineFigures:
        """Nothing is ever under way."""
        return EngineFigures()

    def sample(self, prompt: Prompt, sampling: Sampling) -> AsyncIterator[Sample]:
        """UnsupportedError."""
        raise self._refusal()

    async def score(self, prompt: Prompt, text: str) -> TokenScores:
        """UnsupportedError."""
        raise self._refusal()

    async def load(self, source: str) -> ModelInfo:
        """UnsupportedError."""
        raise self._refusal()

    async def adapt(self, source: str | None) -> ModelInfo:
        """UnsupportedError."""
        raise self._refusal()

    async def sleep(self) -> None:
        """Nothing to give back."""

    async def wake(self) -> None:
        """Nothing to take again."""

    async def close(self) -> None:
        """Nothing to end."""

    def _refusal(self) -> UnsupportedError:
        return UnsupportedError(f"{self._info.limits}; start the service with a model engine")
