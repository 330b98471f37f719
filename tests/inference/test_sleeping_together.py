"""A host puts every model of its service to sleep under one lease."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from services.inference.host import EngineHost
from services.inference.scripted import Script, ScriptedModel
from shared.errors import AsleepError


@dataclass
class Nap:
    """A model beside the engine, which remembers what it was told."""

    told: list[str] = field(default_factory=list)

    async def sleep(self) -> None:
        self.told.append("sleep")

    async def wake(self) -> None:
        self.told.append("wake")


async def _made() -> ScriptedModel:
    return ScriptedModel(Script())


async def _slept(nap: Nap) -> tuple[list[str], str]:
    """What the model beside was told while the lease held, and how a call was refused then."""
    host, serving = EngineHost(_made, beside=lambda: [nap]), asyncio.Event()
    await host.start(lambda up: serving.set() if up else serving.clear())
    await serving.wait()
    lease = await host.sleep("the test", 60.0, None)
    asleep = list(nap.told)
    try:
        host.check(host.info.digest)
    except AsleepError as error:
        refused = error.reason
    await host.wake(lease.id)
    host.check(host.info.digest)
    await host.stop()
    return asleep, refused


def test_models_beside_the_engine_sleep_and_wake_with_it() -> None:
    nap = Nap()
    asleep, refused = asyncio.run(_slept(nap))
    assert (asleep, nap.told, refused) == (["sleep"], ["sleep", "wake"], "asleep for the test")
