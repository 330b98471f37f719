"""The one room in which vLLM's own objects live: requests in, what became of them out."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from services.inference.vllm.figures import StepTally
from services.inference.vllm.guard import Guard
from services.inference.vllm.settings import VllmSettings, engine_arguments, prepare_environment
from shared.errors import EngineLostError, FieldError, UnavailableError

Answer = TypeVar("Answer")
LOST = "the vLLM engine has died; load a model again"
CLOSED = "the vLLM engine was closed"
NO_DEVICE = (
    "vLLM finds no device that it was built for here; give the process a GPU, "
    "or use vLLM's build for processors or the engine transformers"
)
# Seconds that its processes may take to end by themselves.
GRACE = 20.0


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter that the engine holds; `number` is unique for the engine."""

    folder: Path
    number: int

    def asked(self) -> Any:
        """As a request names it. The cache of prefixes tells adapters apart by this name."""
        from vllm.lora.request import LoRARequest

        return LoRARequest(f"{self.folder.name}-{self.number}", self.number, str(self.folder))


class Engine:
    """A running AsyncLLM with its guard. Every failure becomes one of this project's errors."""

    def __init__(self, llm: Any, guard: Guard, *, sleeps: bool) -> None:
        self._llm = llm
        self._guard = guard
        self._sleeps = sleeps
        self._under_way: set[asyncio.Future[Any]] = set()
        self._context = int(llm.model_config.max_model_len)

    @classmethod
    async def start(cls, settings: VllmSettings, folder: Path, tally: StepTally, **more: Any) -> Engine:
        """Load the weights in `folder`; takes seconds to minutes. Raises UnavailableError where it fails.

        `more` are further arguments of vLLM's engine.
        """
        guard = Guard()
        building = asyncio.ensure_future(asyncio.to_thread(_build, settings, folder, tally, more))
        try:
            built = await asyncio.shield(building)
        except BaseException:
            # A thread can't be cancelled: what it still builds has to be ended.
            building.add_done_callback(_end_unwanted)
            await asyncio.wait([building])
            await asyncio.to_thread(guard.dismiss)
            raise
        guard.settle()
        return cls(built.taken(), guard, sleeps=built.sleeps)

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._context

    @property
    def sleeps(self) -> bool:
        """Whether sleeping gives memory back."""
        return self._sleeps

    @property
    def lost(self) -> bool:
        """Whether the engine's process has died."""
        return self._llm is not None and bool(self._llm.errored)

    @property
    def stopped(self) -> bool:
        """Whether it was ended by `stop`."""
        return self._llm is None

    @property
    def unfinished(self) -> int:
        """Requests that the engine still works on, aborted ones left out."""
        return 0 if self._llm is None else int(self._llm.get_num_unfinished_requests())

    def _alive(self) -> Any:
        """vLLM's engine. Raises UnavailableError where there is none any more."""
        if self._llm is None:
            raise UnavailableError(CLOSED)
        if self.lost:
            raise EngineLostError(LOST)
        return self._llm

    async def generate(self, ids: list[int], params: Any, adapter: Adapter | None) -> Any:
        """The finished `RequestOutput` of one sequence. Cancelling aborts it in the engine."""
        name = uuid.uuid4().hex
        lora = adapter.asked() if adapter else None
        return await self._finish(name, self._alive().generate(_asked(ids), params, name, lora_request=lora))

    async def pool(self, ids: list[int], params: Any) -> Any:
        """The `PoolingRequestOutput` of one text, for an engine of a pooling model."""
        name = uuid.uuid4().hex
        return await self._finish(name, self._alive().encode(_asked(ids), params, name))

    async def add(self, adapter: Adapter) -> None:
        """Load an adapter beside the others. Raises FieldError where it doesn't fit the model."""
        try:
            await self._ask(self._alive().add_lora(adapter.asked()))
        except _refusals() as error:
            cure = "take an adapter of this very model, of a rank that is allowed"
            raise FieldError("source", f"can't be loaded ({_brief(error)})", cure) from error

    async def sleep(self) -> None:
        """Forget the cache of prefixes; where the platform can, give the memory back too."""
        llm = self._alive()
        await self._ask(llm.sleep(level=1) if self._sleeps else llm.reset_prefix_cache())

    async def wake(self) -> None:
        """Be ready again after `sleep`."""
        if self._sleeps:
            await self._ask(self._alive().wake_up())

    async def stop(self) -> None:
        """End the engine's processes. What is under way raises UnavailableError."""
        # Whoever holds vLLM's object last ends it once more, so it is let go here.
        llm, self._llm = self._llm, None
        if llm is None:
            return
        for work in self._under_way:
            work.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await asyncio.to_thread(_end, llm, self._guard)

    async def _finish(self, name: str, outputs: AsyncGenerator[Any, None]) -> Any:
        try:
            return await self._ask(_last(outputs))
        except asyncio.CancelledError:
            # vLLM aborts by itself unless the cancellation comes while it hands the request over.
            if not self.lost and not self.stopped:
                await self._llm.abort(name)
            raise

    async def _ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        """Wait for the engine, which may die or be stopped meanwhile."""
        from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

        work = asyncio.ensure_future(question)
        self._under_way.add(work)
        try:
            return await work
        except asyncio.CancelledError:
            if self.stopped and not _cancelled_ourselves():
                raise UnavailableError(CLOSED) from None
            raise
        except (EngineDeadError, EngineGenerateError) as error:
            if self.lost:
                raise EngineLostError(LOST) from error
            raise UnavailableError(f"vLLM failed on this request: {error}") from error
        finally:
            self._under_way.discard(work)


def _asked(ids: list[int]) -> Any:
    """A prompt as the engine takes it without looking into it."""
    from vllm.inputs import tokens_input

    return tokens_input(ids)


@dataclass(slots=True)
class _Built:
    """What a thread has built: vLLM's engine, and whether it can sleep."""

    llm: Any
    sleeps: bool

    def taken(self) -> Any:
        """The engine, which is not held on to: frames of the thread may stay, and this with them."""
        llm, self.llm = self.llm, None
        return llm


def _end_unwanted(building: asyncio.Future[_Built]) -> None:
    if not building.cancelled() and building.exception() is None:
        building.result().taken().shutdown()


def _end(llm: Any, guard: Guard) -> None:
    """Let the engine's processes end by themselves for a while, then have the guard end the rest."""
    started = list(getattr(llm.engine_core.resources.engine_manager, "processes", ()))
    llm.shutdown(timeout=GRACE)
    guard.dismiss()
    for process in started:
        process.join(GRACE)


async def _last(outputs: AsyncGenerator[Any, None]) -> Any:
    async with contextlib.aclosing(outputs):
        async for output in outputs:
            last = output
    return last


def _cancelled_ourselves() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _build(settings: VllmSettings, folder: Path, tally: StepTally, more: dict[str, Any]) -> _Built:
    """Import vLLM and start its engine."""
    prepare_environment(settings)
    try:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as error:
        raise UnavailableError(f"vLLM can't be imported ({error}); install it for this machine") from error
    if current_platform.is_unspecified():
        raise UnavailableError(NO_DEVICE)
    sleeps = settings.enable_sleep_mode and current_platform.is_sleep_mode_available()
    given = engine_arguments(settings, folder, cpu=current_platform.is_cpu(), sleeps=sleeps)
    try:
        arguments = AsyncEngineArgs(**given, **more)
        return _Built(AsyncLLM.from_engine_args(arguments, stat_loggers=[tally.for_replica]), sleeps)
    except (RuntimeError, ValueError, OSError) as error:
        raise UnavailableError(f"vLLM can't serve {folder.name}: {_brief(error)}") from error


def _refusals() -> tuple[type[Exception], ...]:
    """What vLLM raises for an adapter that it can't use: its own error, or that of a worker."""
    from vllm.exceptions import VLLMError

    return (VLLMError, RuntimeError, ValueError)


def _brief(error: Exception) -> str:
    """The first line of an error's message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
