"""The host of one engine: admits calls, hands the accelerator over under a lease, and survives a lost engine.

A call names the digest of the model it expects. While the engine loads, changes its model, sleeps or is built
anew, calls are refused with a hint when to try again; none is held.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.inference.base import LanguageModel
from shared.domain import EngineFigures, ModelInfo
from shared.errors import (
    AsleepError,
    BusyError,
    EngineLostError,
    FieldError,
    IdiolectError,
    MismatchError,
    NotFoundError,
    UnavailableError,
)
from shared.metrics import EngineState

Make = Callable[[], Awaitable[LanguageModel]]


class Sleeper(Protocol):
    """A model beside the engine, on the same accelerator."""

    async def sleep(self) -> None:
        """Give the accelerator's memory back."""
        ...

    async def wake(self) -> None:
        """Be ready again after `sleep`."""
        ...


MOST_LEASE_SECONDS = 3600.0
_ASLEEP = "asleep"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: how long running calls may take to end before a change, and the steps of building anew."""

    drain: float = 300.0
    first_retry: float = 1.0
    most_retry: float = 60.0


@dataclass(frozen=True, slots=True)
class Lease:
    """Somebody else has the accelerator until `ends` (seconds since the epoch)."""

    id: str
    holder: str
    ends: float


@dataclass
class EngineHost:
    """Holds the engine; every call to it goes through `call`.

    Attributes:
        make: builds the engine; called again whenever it is lost.
        view: the model as this service shows it (its template may enter the digest).
        patience: how long to wait for what.
        beside: the other models of this service, which sleep and wake with the engine.
    """

    make: Make
    view: Callable[[ModelInfo], ModelInfo] = lambda info: info
    patience: Patience = field(default_factory=Patience)
    beside: Callable[[], Sequence[Sleeper]] = tuple

    def __post_init__(self) -> None:
        self._engine: LanguageModel | None = None
        self._known: tuple[ModelInfo, ModelInfo] | None = None
        self._away = "the model is being loaded"
        self._tell: Callable[[bool], None] = lambda serving: None
        self._fail: Callable[[Exception], None] = lambda error: None
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._changing = asyncio.Lock()
        self._lease: Lease | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._restarts = -1
        self._tasks: set[asyncio.Task[None]] = set()
        self._source: str | None = None
        self._adapter: str | None = None

    async def start(
        self, tell: Callable[[bool], None], fail: Callable[[Exception], None] = lambda error: None
    ) -> None:
        """Begin to build the engine; `tell` hears whenever it begins or ceases to serve.

        `fail` hears why the first engine could not be built: its settings can't be used, so trying again is
        for whoever starts the service. An engine that is lost later is built anew until it stands.
        """
        self._tell, self._fail = tell, fail
        self._spawn(self._build())

    async def stop(self) -> None:
        """End the engine."""
        self._away = "the service is shutting down"
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._alarm is not None:
            self._alarm.cancel()
        if self._engine is not None:
            await self._engine.close()

    @property
    def info(self) -> ModelInfo:
        """The model that is served; BusyError before there is one."""
        return self._shown(self._present())

    @property
    def state(self) -> EngineState:
        """What the metrics tell."""
        if self._engine is None:
            return EngineState("none", False, max(0, self._restarts), EngineFigures())
        info, figures = self._engine.info, self._engine.figures
        return EngineState(info.engine, not self._away, max(0, self._restarts), figures)

    @asynccontextmanager
    async def call(self, digest: str) -> AsyncIterator[LanguageModel]:
        """The engine, for one call that expects the model of that digest."""
        engine = self._admitted(digest)
        self._running += 1
        self._idle.clear()
        try:
            yield engine
        except EngineLostError:
            self._lose(engine)
            raise
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    def check(self, digest: str) -> ModelInfo:
        """The served model, if it is the expected one and serves now."""
        return self._shown(self._admitted(digest))

    def _admitted(self, digest: str) -> LanguageModel:
        engine = self._present()
        served = self._shown(engine).digest
        if not digest:
            raise FieldError(
                "model_digest", "is empty", "ask GetInfo for the served model and name its digest"
            )
        if digest != served:
            raise MismatchError(digest, served)
        if self._away:
            raise self._busy(self._away)
        return engine

    def _shown(self, engine: LanguageModel) -> ModelInfo:
        """The model of now as this service shows it; worked out once, since every call asks."""
        info = engine.info
        if self._known is None or self._known[0] != info:
            self._known = info, self.view(info)
        return self._known[1]

    def _present(self) -> LanguageModel:
        if self._engine is None:
            raise self._busy(self._away)
        return self._engine

    def _busy(self, why: str) -> BusyError:
        kind = AsleepError if why.startswith(_ASLEEP) else BusyError
        return kind(why, self._wait())

    def _wait(self) -> float:
        """Seconds after which it is worth asking again."""
        if self._lease is None:
            return 1.0
        return round(min(5.0, max(0.1, self._lease.ends - time.time())), 1)

    async def load(self, digest: str, source: str) -> ModelInfo:
        """Serve another model once the running calls are done."""
        if not source.strip():
            raise FieldError("source", "is empty", "name a folder, a GGUF file or a model of the hub")
        self.check(digest)
        async with self._changed("the model is being changed") as engine:
            info = await _named(engine.load(source), source)
            self._source, self._adapter = source, None
        return self.view(info)

    async def adapt(self, digest: str, source: str | None) -> ModelInfo:
        """Serve with a LoRA adapter, or without one again."""
        if source is not None and not source.strip():
            raise FieldError("source", "is empty", "name the folder of an adapter, or leave it out")
        self.check(digest)
        async with self._changed("the adapter is being changed") as engine:
            info = await _named(engine.adapt(source), source)
            self._adapter = source
        return self.view(info)

    async def sleep(self, holder: str, seconds: float, lease_id: str | None) -> Lease:
        """Give the accelerator to `holder` for at most `seconds`, or renew a lease."""
        if not 0 < seconds <= MOST_LEASE_SECONDS:
            cure = f"give a time above 0 and up to {MOST_LEASE_SECONDS:g} s"
            raise FieldError("ttl", f"is {seconds:g} s", cure)
        if lease_id is not None:
            held = self._held(lease_id)
            return self._leased(Lease(held.id, held.holder, time.time() + seconds))
        if self._lease is not None:
            raise self._busy(f"{_ASLEEP} already for {self._lease.holder}")
        if not holder.strip():
            raise FieldError("holder", "is empty", "say who asks")
        async with self._changed(f"{_ASLEEP} for {holder}", stay=True) as engine:
            for model in (engine, *self.beside()):
                await model.sleep()
            return self._leased(Lease(secrets.token_hex(8), holder, time.time() + seconds))

    async def wake(self, lease_id: str) -> None:
        """End a lease."""
        self._held(lease_id)
        await self._awake()

    def _held(self, lease_id: str) -> Lease:
        if self._lease is None or self._lease.id != lease_id:
            raise NotFoundError(f"lease_id: there is no lease {lease_id!r} (any more); ask for a new one")
        return self._lease

    def _leased(self, lease: Lease) -> Lease:
        if self._alarm is not None:
            self._alarm.cancel()
        self._lease = lease
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(lease.ends - time.time(), lambda: self._spawn(self._awake()))
        return lease

    async def _awake(self) -> None:
        """Back to work, because the lease was given back or has run out."""
        async with self._changing:
            if self._lease is None:
                return
            if self._alarm is not None:
                self._alarm.cancel()
            self._lease = None
            for model in (self._present(), *self.beside()):
                await model.wake()
            self._serve()

    @asynccontextmanager
    async def _changed(self, why: str, *, stay: bool = False) -> AsyncIterator[LanguageModel]:
        """The engine without running calls; serves again afterwards, unless it is to stay away."""
        if self._changing.locked() or self._lease is not None:
            raise self._busy(self._away or why)
        async with self._changing:
            self._rest(why)
            done = False
            try:
                await self._drained(why)
                yield self._present()
                done = True
            finally:
                if not (done and stay):
                    self._serve()

    async def _drained(self, why: str) -> None:
        try:
            await asyncio.wait_for(self._idle.wait(), self.patience.drain)
        except TimeoutError:
            raise BusyError(f"{why}, but {self._running} calls still run", 5.0) from None

    def _rest(self, why: str) -> None:
        self._away = why
        self._tell(False)

    def _serve(self) -> None:
        self._away = ""
        self._tell(True)

    def _lose(self, engine: LanguageModel) -> None:
        """The engine died under a call: build it anew, once."""
        if engine is self._engine and not self._away:
            self._rest("the engine was lost and is being built anew")
            _LOG.error("the engine was lost")
            self._spawn(self._rebuild(engine))

    async def _rebuild(self, lost: LanguageModel) -> None:
        await lost.close()
        wait = self.patience.first_retry
        while not await self._built_again(wait):
            await asyncio.sleep(wait)
            wait = min(wait * 2, self.patience.most_retry)

    async def _build(self) -> None:
        """The first engine, or word to whoever started this why there is none."""
        try:
            self._stand(await self._made())
        except Exception as error:  # noqa: BLE001 - it ends the service, with its traceback where it's a defect
            self._away = f"the engine can't be built ({error})"
            self._fail(error)

    async def _built_again(self, wait: float) -> bool:
        try:
            self._stand(await self._made())
        except Exception as error:  # noqa: BLE001 - whatever it was, a service that served before tries again
            expected = isinstance(error, IdiolectError | OSError)
            _LOG.error(
                "the engine can't be built, trying again in %g s: %s", wait, error, exc_info=not expected
            )
            self._away = f"the engine can't be built ({error})"
            return False
        return True

    def _stand(self, engine: LanguageModel) -> None:
        self._engine = engine
        self._restarts += 1
        self._serve()

    async def _made(self) -> LanguageModel:
        """A new engine, with the model and the adapter that were loaded last."""
        engine = await self.make()
        if self._source is not None:
            await engine.load(self._source)
        if self._adapter is not None:
            await engine.adapt(self._adapter)
        return engine

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _named(change: Awaitable[ModelInfo], source: str | None) -> ModelInfo:
    """A model that isn't there is the caller's field; an engine that is gone stays what it is."""
    try:
        return await change
    except (BusyError, EngineLostError):
        raise
    except UnavailableError as error:
        cure = "name a folder, a GGUF file or a model of the hub that the service can reach"
        raise FieldError("source", f"{source!r} can't be loaded ({error})", cure) from error
