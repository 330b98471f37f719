"""Starts services, restarts the ones that die, and ends them all with itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType, TracebackType

from services.embedded.supervisor.group import ProcessGroup
from services.embedded.supervisor.service import Lost, Ready, Service
from services.embedded.supervisor.spec import Patience, ServiceSpec
from shared.errors import FieldError, UnavailableError

_POLL_SECONDS = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Services in one process group, for as long as the context lasts; for the main thread only.

    SIGINT, SIGTERM or SIGHUP end `events`; leaving the context ends the services: SIGTERM, time to drain,
    SIGKILL for what is left; a further signal makes it SIGKILL at once. If this process is killed the guard
    does the same. Should somebody kill the guard, everything is ended; only both at the same moment, by
    SIGKILL, leave services behind. A service that hangs without dying is not noticed.

    Raises:
        FieldError: two services of one name, or a service that needs one which isn't there.
        UnavailableError: a service can't be started, or the guard was killed.
    """

    def __init__(self, specs: Sequence[ServiceSpec], patience: Patience | None = None) -> None:
        _check(specs)
        self._specs = tuple(specs)
        self._patience = patience or Patience()
        self._signals = 0
        self._killed: tuple[str, ...] = ()

    def __enter__(self) -> Supervisor:
        with ExitStack() as stack:
            stack.enter_context(_listening(self._note))
            folder = stack.enter_context(TemporaryDirectory(prefix="idiolect-"))
            self._group = ProcessGroup(self._patience.grace)
            stack.callback(self._stop)
            self._services = [
                Service(spec, self._group, Path(folder), self._patience) for spec in self._specs
            ]
            self._leaving = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.close()

    @property
    def group(self) -> int:
        """Id of the process group of all services."""
        return self._group.id

    @property
    def killed(self) -> tuple[str, ...]:
        """Services that did not end by themselves in time, once the context is left."""
        return self._killed

    def events(self) -> Iterator[Ready | Lost]:
        """What happens to the services, until a signal asks for the end."""
        while not self._signals:
            if not self._group.guarded:
                raise UnavailableError("the guard of the services was killed; all services are ended")
            for service in self._services:
                event = service.look(self._addresses())
                if event is not None:
                    yield event
            time.sleep(_POLL_SECONDS)

    def _addresses(self) -> dict[str, str]:
        return {service.spec.name: service.doors.address for service in self._services if service.doors}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _stop(self) -> None:
        before = self._signals
        drained = self._until(self._drained, self._patience.drain, before)
        self._killed = tuple(service.spec.name for service in self._services if service.alive)
        if drained and self._group.guarded:
            self._group.dismiss()
            drained = self._until(lambda: not self._group.guarded, self._patience.grace + 1, before)
        if not drained or not self._group.guarded:
            self._group.kill()
        for service in self._services:
            service.reap()
        self._group.reap()

    def _drained(self) -> bool:
        """Tells every service to end that no living one needs; whether all have ended."""
        living = [service for service in self._services if service.alive]
        needed = {name for service in living for name in service.spec.needs}
        for service in living:
            if service.spec.name not in needed:
                service.terminate()
        return not living

    def _until(self, done: Callable[[], bool], seconds: float, signals: int) -> bool:
        """Whether it was done in that time, and before another signal came."""
        deadline = time.monotonic() + seconds
        while not (ended := done()) and time.monotonic() < deadline and self._signals == signals:
            time.sleep(_POLL_SECONDS)
        return ended


@contextmanager
def _listening(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """`handler` is called for each signal that asks for the end."""
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _check(specs: Sequence[ServiceSpec]) -> None:
    names = [spec.name for spec in specs]
    if len(names) != len(set(names)):
        raise FieldError("name", f"two services share one: {', '.join(names)}", "give each its own")
    for place, spec in enumerate(specs):
        for missing in set(spec.needs) - set(names[:place]):
            cure = "start that one too, and name it first"
            raise FieldError(f"{spec.name}.needs", f"{missing} is not among the services before it", cure)
