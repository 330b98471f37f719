"""Takes studies from the store, the oldest first and one at a time, and sees each to its end."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from services.embedded.studyhost.child import Launch, StudyChild
from shared.errors import IdiolectError, NotFoundError, UnavailableError
from shared.jobs.order import JobState
from shared.store import Store
from shared.study.config import to_config
from shared.study.records import RESULTS, StudyEnd, StudyHost, StudyOrdered, StudyRecords, StudyStage
from shared.study.remote import check_models, check_remote

_LOG = logging.getLogger(__name__)
# A process that was killed, for want of memory for example, is started so often.
_TRIES = 3
_RETRY_SECONDS = 5.0


class Host:
    """Runs the studies of one store. What a study has done stands in its folder, so any kill costs one task.

    Args:
        folder: of all studies under way. look: seconds between two looks into the store.
    """

    def __init__(self, store: Store, folder: Path, launch: Launch, look: float) -> None:
        self._records, self._folder, self._launch, self._look = StudyRecords(store), folder, launch, look
        self._over = threading.Event()
        self._tries: Counter[str] = Counter()

    def stop(self) -> None:
        """End what runs, to be gone on with by the next host, and return from `run`."""
        self._over.set()

    def run(self) -> None:
        """Look for studies and do them until `stop`."""
        while not self._over.is_set():
            try:
                self._beat(None)
                following = next(self._records.live(), None)
                if following is not None:
                    self._attend(following)
                else:
                    self._clear()
                    self._over.wait(self._look)
            except UnavailableError as error:
                _LOG.warning("studies have to wait: %s", error)
                self._over.wait(_RETRY_SECONDS)

    def _beat(self, study: str | None) -> None:
        self._records.tell_host(StudyHost(time.time(), tuple(sorted(self._launch.models)), study))

    def _attend(self, ordered: StudyOrdered) -> None:
        try:
            end = self._done(ordered)
        except UnavailableError:
            raise
        except IdiolectError as error:
            end = StudyEnd(JobState.FAILED, time.time(), str(error))
        if end is None:
            return
        self._records.finish(ordered, end)
        _LOG.info("study %s of %s: %s", ordered.id, ordered.tenant, end.state.value)
        if end.state is not JobState.FAILED:
            shutil.rmtree(self._place(ordered), ignore_errors=True)

    def _done(self, ordered: StudyOrdered) -> StudyEnd | None:
        """How it ended; None where it has to be gone on with."""
        config = to_config(ordered.config)
        check_remote(config)
        check_models(config, self._launch.models, ", ".join(sorted(self._launch.models)))
        folder = self._place(ordered)
        files = self._inputs(ordered, folder)
        with StudyChild(folder, ordered.config, files, self._launch) as child:
            code = self._watched(ordered, child)
            stages = child.stages
        if code is None:
            return StudyEnd(JobState.CANCELLED, time.time()) if self._records.cancelled(ordered) else None
        if code == 0:
            return self._kept(ordered, folder, stages)
        if code < 0 and self._tries[ordered.id] < _TRIES - 1:
            self._tries[ordered.id] += 1
            _LOG.warning("the process of study %s was ended by signal %d; it starts again", ordered.id, -code)
            return None
        reason = (
            child.failure or f"the process of the study ended with code {code} (memory?); see the host's log"
        )
        return StudyEnd(JobState.FAILED, time.time(), reason)

    def _watched(self, ordered: StudyOrdered, child: StudyChild) -> int | None:
        """The exit code; None where it has to end because it was cancelled, or the host stops."""
        told: tuple[StudyStage, ...] | None = None
        while not self._over.is_set() and not self._records.cancelled(ordered):
            code = child.code(min(self._look, 1.0))
            if code is not None:
                return code
            self._beat(ordered.id)
            if told != child.stages:
                told = child.stages
                self._records.tell(ordered, told)
        return None

    def _kept(self, ordered: StudyOrdered, folder: Path, stages: tuple[StudyStage, ...]) -> StudyEnd:
        for name in RESULTS:
            self._records.keep(ordered, name, (folder / "study" / name).read_bytes())
        self._records.tell(ordered, tuple(replace(stage, ended=True) for stage in stages))
        return StudyEnd(JobState.COMPLETED, time.time())

    def _clear(self) -> None:
        """Remove the folders of failed studies that were deleted since."""
        for place in self._folder.glob("*/*"):
            try:
                self._records.get(place.parent.name, place.name)
            except NotFoundError:
                shutil.rmtree(place, ignore_errors=True)

    def _place(self, ordered: StudyOrdered) -> Path:
        return self._folder / ordered.tenant / ordered.id

    def _inputs(self, ordered: StudyOrdered, folder: Path) -> dict[str, str]:
        """The files of problems, copied from the store; where each is."""
        inputs = folder / "inputs"
        inputs.mkdir(parents=True, exist_ok=True)
        found = {}
        for name in ordered.files:
            with (inputs / name).open("wb") as stream:
                for piece in self._records.store.stream(ordered.input(name)):
                    stream.write(piece)
            found[name] = str(inputs / name)
        return found
