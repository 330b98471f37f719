"""SmolLM2-135M-Instruct, loaded once, and an engine on it."""

import asyncio
from collections.abc import Iterator

import pytest

from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.inference.transformers.desk import Desk
from services.inference.transformers.engine import TransformersEngine
from services.inference.transformers.sampler import Room


@pytest.fixture(scope="session")
def smollm() -> Checkpoint:
    """SmolLM2-135M-Instruct."""
    return load_checkpoint(threads=1)


@pytest.fixture(scope="session")
def engine(smollm: Checkpoint) -> Iterator[TransformersEngine]:
    """An engine that any test may call from an event loop of its own."""
    made = asyncio.run(TransformersEngine.over(lambda: Desk(smollm, Room(rows=16), threads=1)))
    yield made
    asyncio.run(made.close())
