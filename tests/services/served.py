"""A service on loopback, in this process, behind a real gRPC server; tests may look into its engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, generate_latest

from services.inference.absent import AbsentModel
from services.inference.base import LanguageModel
from services.inference.host import EngineHost, Patience
from services.inference.prompting import StudentTemplate
from services.inference.scripted import Script, ScriptedModel
from services.oracle.core import RULES, OracleCore, OracleSettings
from services.oracle.servicer import OracleService
from services.oracle.verifier.limits import Limits
from services.oracle.verifier.verifier import SandboxedVerifier
from services.student.core import StudentCore
from services.student.servicer import StudentService
from shared.rpc.channel import Target
from shared.rpc.server import Running, ServerSettings, Service, first_of

Result = TypeVar("Result")
Make = Callable[[], Coroutine[Any, Any, LanguageModel]]


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result], timeout: float = 300.0) -> Result:
        """The result of `work`, run in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def close(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Served:
    """One service that listens; use as a context manager."""

    def __init__(
        self, make: Make, state: Path, settings: ServerSettings | None = None, **options: Any
    ) -> None:
        self._make = make
        self._state = state
        self._settings = settings or ServerSettings(drain_seconds=5.0)
        self._options = options
        self._registry = CollectorRegistry()
        self._loop = Loop()
        self.models: list[LanguageModel] = []
        self.running: Running | None = None
        self.drains = False

    async def _made(self) -> LanguageModel:
        self.models.append(await self._make())
        return self.models[-1]

    def _service(self) -> Service:
        self.host = EngineHost(self._made, patience=Patience(drain=10.0, first_retry=0.05))
        template = self._options.get("template", StudentTemplate())
        self.host.view = template.seen_through
        return StudentService(StudentCore(self.host, self._state / "profiles", template))

    def __enter__(self) -> Served:
        try:
            self._loop.run(self._enter())
        except BaseException:
            self.__exit__()
            raise
        return self

    def enter_soon(self) -> Future[None]:
        """Begin to listen, without waiting for the engine."""
        return asyncio.run_coroutine_threadsafe(self._enter(), self._loop.loop)

    def call_soon(self, call: Callable[[], None]) -> None:
        """Call in the service's loop."""
        self._loop.loop.call_soon_threadsafe(call)

    async def _enter(self) -> None:
        self.service = self._service()
        self.running = Running(self.service, self._settings, self._registry)
        await self.running.__aenter__()
        await first_of(self.running.serving, self.running.broken)
        if self.running.failure is not None:
            raise self.running.failure

    def __exit__(self, *_: object) -> None:
        self.drain()
        self._loop.close()

    def drain(self) -> None:
        """As on SIGTERM; doing it twice is harmless."""
        first, self.drains = not self.drains, True
        if first and self.running is not None:
            self._loop.run(self.running.drain())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run `work` in the service's loop."""
        return self._loop.run(work)

    @property
    def address(self) -> str:
        """Where it listens; empty before it does."""
        return self.running.address if self.running is not None else ""

    @property
    def target(self) -> Target:
        """How to reach it."""
        return Target(self.address)

    @property
    def model(self) -> LanguageModel:
        """The engine of now."""
        return self.models[-1]

    def tasks(self) -> list[str]:
        """The tasks alive in the service's loop, less those of gRPC's server that wait for a call."""

        async def names() -> list[str]:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            told = [str(getattr(task.get_coro(), "__qualname__", task)) for task in others]
            return [name for name in told if not name.startswith("AioServer.")]

        return self._loop.run(names())

    def metrics(self) -> str:
        """What ``/metrics`` shows."""
        return generate_latest(self._registry).decode()


class ServedOracle(Served):
    """An oracle that listens."""

    def _service(self) -> Service:
        self.host = EngineHost(self._made, patience=Patience(drain=10.0, first_retry=0.05))
        settings = self._options.get("thinking", OracleSettings())
        rewards = self._options.get("reward_model")
        limits = self._options.get("limits", Limits())
        self.verifier = SandboxedVerifier(1, limits)
        return OracleService(OracleCore(self.host, self.verifier, settings, rewards))


async def rules() -> LanguageModel:
    """No language model: rules alone."""
    return AbsentModel("rules", RULES)


def scripted(**script: Any) -> Make:
    """Makes scripted engines."""

    async def make() -> LanguageModel:
        return ScriptedModel(Script(**script))

    return make
