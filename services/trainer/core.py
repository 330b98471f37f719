"""What the trainer service does, in domain types: takes orders, runs one at a time, publishes models.

The store is the truth: a service that starts again takes up what had not ended, from the checkpoints in its
own folder where they are still there. One trainer service works on a store.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

from services.trainer.checking import check_settings
from services.trainer.folder import TrainingFolder, last_step, parsed_curve, read_curve
from services.trainer.handover import Handover
from services.trainer.orders import settings_values
from services.trainer.process import ChildTraining, Ending, Launch
from services.trainer.records import KIND, Ended, Ordered, Records, page_size
from services.trainer.run import STOPPED, SUCCEEDED
from services.trainer.together import Patience, SharedTraining
from shared.domain.training import TrainingOrder, TrainingProgress, TrainingState
from shared.errors import FieldError, IdiolectError, NotFoundError, StoppedError, UnavailableError
from shared.jobs.ids import new_id
from shared.published import PublishedModel, Serving, check_name, publish, serve
from shared.store.base import Store
from shared.store.proof import prove
from shared.version import VERSION

_LOG = logging.getLogger(__name__)
_STORE_SECONDS = 2.0
Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """How the core works.

    Attributes:
        bases: folder of each allowed base model, by name. work: folder for rows and checkpoints.
        launch: how a training is started. patience: with the other nodes, where there are several.
        watch_seconds: between two looks at the progress.
    """

    bases: Mapping[str, str]
    work: Path
    launch: Launch = field(default_factory=Launch)
    patience: Patience = field(default_factory=Patience)
    watch_seconds: float = 0.2


@dataclass(frozen=True, slots=True)
class Standing:
    """A training as it stands; `last` is its last step, `ended` how it ended, None before."""

    ordered: Ordered
    state: TrainingState
    last: TrainingProgress | None = None
    ended: Ended | None = None

    @property
    def model(self) -> PublishedModel | None:
        """The model that it left."""
        if self.ended is None or self.ended.digest is None:
            return None
        return PublishedModel(self.ordered.tenant, self.ordered.name, self.ended.digest)


class TrainerCore:
    """Trainings of all name spaces, one after the other. Its methods belong to one event loop."""

    def __init__(self, store: Store, settings: CoreSettings, handover: Handover) -> None:
        self._store = store
        self._records = Records(store)
        self._settings = settings
        self._handover = handover
        self._queue: asyncio.Queue[Ordered] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._current: Ordered | None = None
        self._child: ChildTraining | SharedTraining | None = None
        self._wished_to_end: set[str] = set()
        self._stopping = False
        self.finished: dict[TrainingState, int] = {}
        self.tokens_of_ended = 0

    async def start(self, tell: Callable[[bool], None], fail: Callable[[Exception], None]) -> None:
        """Prove the store, take up what had not ended, and begin to work."""
        try:
            await asyncio.to_thread(prove, self._store)
            for ordered in await asyncio.to_thread(lambda: list(self._records.live())):
                self._queue.put_nowait(ordered)
        except IdiolectError as error:
            fail(error)
            return
        self._worker = asyncio.create_task(self._work(fail))
        tell(True)

    async def stop(self) -> None:
        """Have the running training write a checkpoint; it is taken up at the next start."""
        self._stopping = True
        if self._child is not None:
            self._child.stop()
        elif self._worker is not None:
            self._worker.cancel()
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)

    async def order(self, asked: Ordered) -> Standing:
        """Accept a training; one whose id was accepted before stands as it is.

        FieldError for what can't work as far as can be told now, DriftError for another order under an id.
        """
        check_name("name", asked.name)
        check_settings(asked.settings)
        if asked.base not in self._settings.bases:
            allowed = ", ".join(sorted(self._settings.bases)) or "none is set up"
            raise FieldError("base_model", f"is {asked.base[:80]!r}", f"use an allowed one: {allowed}")
        ordered = replace(asked, id=asked.id or new_id(KIND), created=time.time())
        if asked.id and (begun := await asyncio.to_thread(self._records.begun, asked)) is not None:
            return await asyncio.to_thread(self._standing, begun)
        await asyncio.to_thread(self._fetch_rows, ordered)
        if not await asyncio.to_thread(self._records.accept, ordered):
            return await self.get(ordered.tenant, ordered.id)
        self._queue.put_nowait(ordered)
        return Standing(ordered, TrainingState.QUEUED)

    async def get(self, tenant: str, training: str) -> Standing:
        """One training as it stands."""
        return await asyncio.to_thread(self._standing, self._records.get(tenant, training))

    async def page(self, tenant: str, size: int, token: str) -> tuple[list[Standing], str]:
        """Trainings as they stand, newest first, and the token of the next page."""
        ordered, after = await asyncio.to_thread(self._records.page, tenant, page_size(size), token)
        return [await asyncio.to_thread(self._standing, one) for one in ordered], after

    async def cancel(self, tenant: str, training: str) -> Standing:
        """Have it end early, with a checkpoint; one that has ended stays as it is."""
        ordered = await asyncio.to_thread(self._records.get, tenant, training)
        if await asyncio.to_thread(self._records.ended, ordered) is None:
            await asyncio.to_thread(self._records.cancel, ordered)
            self._wished_to_end.add(ordered.id)
            if self._current == ordered and self._child is not None:
                self._child.stop()
        return await asyncio.to_thread(self._standing, ordered)

    async def watch(
        self, tenant: str, training: str, after: int
    ) -> AsyncIterator[tuple[Standing, TrainingProgress | None]]:
        """Every step behind `after` as it is done, and at last how it ended, without a step."""
        ordered = await asyncio.to_thread(self._records.get, tenant, training)
        while True:
            # Asked before the steps are read, so that none is missed at the end.
            standing = await asyncio.to_thread(self._standing, ordered)
            for step in await asyncio.to_thread(self._steps, standing, after):
                after = step.step
                yield replace(standing, last=step), step
            if standing.ended is not None:
                yield standing, None
                return
            await asyncio.sleep(self._settings.watch_seconds)

    async def serve(self, model: PublishedModel, *, adapter: bool) -> None:
        """Have the students that follow the store serve a published model."""
        await asyncio.to_thread(serve, self._store, Serving(model, adapter))

    @property
    def progress(self) -> TrainingProgress | None:
        """The last step of the training that runs now, for the metrics."""
        if self._current is None:
            return None
        return last_step(self._folder(self._current) / "progress.jsonl")

    async def _work(self, fail: Callable[[Exception], None]) -> None:
        while True:
            ordered = await self._queue.get()
            self._current = ordered
            try:
                await self._settle(ordered)
            except Exception as error:
                # A defect ends the service, which is started again. While it ends anyway, a store that
                # can't be used is no news.
                if not (self._stopping and isinstance(error, UnavailableError)):
                    fail(error)
                    raise
            finally:
                self._current = self._child = None
            if self._stopping:
                return

    async def _settle(self, ordered: Ordered) -> None:
        """Run one training to its end, and say how it ended; not where this service ends first."""
        try:
            ending = await self._run(ordered)
        except StoppedError as error:
            ending = Ending(STOPPED, {"error": str(error)})
        except (IdiolectError, OSError) as error:
            ending = Ending(TrainingState.FAILED.value, {"error": str(error)})
        wished = ordered.id in self._wished_to_end
        if self._stopping and not wished and ending.state != SUCCEEDED:
            return
        await self._persistently(self._conclude, ordered, ending, wished)

    async def _run(self, ordered: Ordered) -> Ending:
        if await self._persistently(self._records.cancelled, ordered):
            self._wished_to_end.add(ordered.id)
        await self._persistently(self._rows_at_hand, ordered)
        async with self._handover.held(f"training {ordered.id}", lambda: self._to_end(ordered)):
            if self._to_end(ordered):
                raise StoppedError("stopped before it began")
            self._child = self._begun(ordered)
            ending = await self._child.ended()
            if self._fell_at_the_start(ordered, ending):
                _LOG.warning("training %s fell at its start and begins again: %s", ordered.id, ending.error)
                self._child = self._begun(ordered)
                ending = await self._child.ended()
            return ending

    def _fell_at_the_start(self, ordered: Ordered, ending: Ending) -> bool:
        """Whether it crashed before its first step, as libraries do that set variables which threads read.

        It has done nothing then, so a second try costs nothing; what crashes twice, or later, is an answer.
        """
        if not ending.crashed or self._settings.launch.nodes > 1 or self._to_end(ordered):
            return False
        return not TrainingFolder(self._folder(ordered)).curve()

    def _begun(self, ordered: Ordered) -> ChildTraining | SharedTraining:
        order, folder, launch = self._as_order(ordered), self._folder(ordered), self._settings.launch
        if launch.nodes == 1:
            return ChildTraining(order, folder, launch)
        return SharedTraining(order, folder, launch, self._settings.patience)

    def _to_end(self, ordered: Ordered) -> bool:
        return self._stopping or ordered.id in self._wished_to_end

    async def _persistently(
        self, work: Callable[Given, Result], *args: Given.args, **named: Given.kwargs
    ) -> Result:
        """Do it, again and again while the store can't be used."""
        while True:
            try:
                return await asyncio.to_thread(work, *args, **named)
            except UnavailableError as error:
                if self._stopping:
                    raise
                _LOG.warning("the store can't be used, trying again: %s", error)
                await asyncio.sleep(_STORE_SECONDS)

    def _conclude(self, ordered: Ordered, ending: Ending, wished: bool) -> None:
        """Publish the model, and write down how the training ended."""
        folder = TrainingFolder(self._folder(ordered))
        curve = folder.curve()
        state = TrainingState.SUCCEEDED if ending.state == SUCCEEDED else TrainingState.FAILED
        if state is TrainingState.SUCCEEDED:
            model = PublishedModel(ordered.tenant, ordered.name, ending.told["digest"])
            publish(self._store, model, folder.model, self._card(ordered, ending))
        elif wished:
            state = TrainingState.CANCELLED
        last = curve[-1] if curve else TrainingProgress(0, 0, 0.0, 0.0, 0, 0.0)
        ended = Ended(
            state=state,
            at=time.time(),
            step=last.step,
            steps=last.steps,
            tokens=last.tokens,
            error=ending.error if state is TrainingState.FAILED else None,
            digest=ending.told.get("digest"),
            adapter=bool(ending.told.get("adapter", False)),
        )
        self._records.end(ordered, ended, folder.progress.read_bytes() if curve else b"")
        self.finished[state] = self.finished.get(state, 0) + 1
        self.tokens_of_ended += last.tokens
        if state is TrainingState.SUCCEEDED:
            shutil.rmtree(folder.path, ignore_errors=True)

    def _card(self, ordered: Ordered, ending: Ending) -> dict[str, Any]:
        return {
            "training": ordered.id,
            "base": ordered.base,
            "arm": ordered.arm,
            "data": ordered.data,
            "data_sha256": ordered.data_digest,
            "rows": ending.told["rows"],
            "tokens": ending.told["tokens"],
            "settings": settings_values(ordered.settings),
            "instruction": ordered.instruction,
            "system": ordered.system,
            "adapter": ending.told["adapter"],
            "code": VERSION,
        }

    def _standing(self, ordered: Ordered) -> Standing:
        ended = self._records.ended(ordered)
        if ended is not None:
            return Standing(ordered, ended.state, ended=ended)
        if ordered != self._current or self._child is None:
            return Standing(ordered, TrainingState.QUEUED)
        last = last_step(self._folder(ordered) / "progress.jsonl")
        return Standing(ordered, TrainingState.RUNNING, last)

    def _steps(self, standing: Standing, after: int) -> tuple[TrainingProgress, ...]:
        if standing.ended is not None:
            return parsed_curve(self._records.curve(standing.ordered), after)
        return read_curve(self._folder(standing.ordered) / "progress.jsonl", after)

    def _folder(self, ordered: Ordered) -> Path:
        return self._settings.work / ordered.id

    def _as_order(self, ordered: Ordered) -> TrainingOrder:
        return TrainingOrder(
            name=ordered.name,
            base=self._settings.bases[ordered.base],
            rows=self._folder(ordered) / "rows.jsonl",
            settings=ordered.settings,
            arm=ordered.arm,
            instruction=ordered.instruction,
            system=ordered.system,
        )

    def _rows_at_hand(self, ordered: Ordered) -> None:
        """Rows and base of an order that may be older than this process."""
        if ordered.base not in self._settings.bases:
            raise FieldError("base_model", f"is {ordered.base!r}", "it is allowed no longer")
        if not (self._folder(ordered) / "rows.jsonl").is_file():
            self._fetch_rows(ordered)

    def _fetch_rows(self, ordered: Ordered) -> None:
        """Copy the rows beside the training. FieldError where they are not there, or other ones."""
        folder, found = self._folder(ordered), hashlib.sha256()
        try:
            pieces = self._store.stream(ordered.data)
        except NotFoundError:
            raise FieldError("data", "is not there", "name an object of your name space") from None
        try:
            with _kept_whole(folder / "rows.jsonl") as stream:
                for piece in pieces:
                    found.update(piece)
                    stream.write(piece)
                if found.hexdigest() != ordered.data_digest:
                    problem = f"is {ordered.data_digest[:80]!r}, but the rows have {found.hexdigest()}"
                    raise FieldError("data_digest", problem, "name the rows that you mean")
        except OSError as error:
            raise UnavailableError(f"the rows can't be kept in {folder} ({error.strerror})") from error


@contextlib.contextmanager
def _kept_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, there once the block is done; else it goes, and its folder where that is empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two requests may bring the same one.
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with aside.open("wb") as stream:
            yield stream
        aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()
        raise
