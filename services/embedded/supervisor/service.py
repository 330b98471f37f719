"""The life of one service: started, ready, lost, started again."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.embedded.supervisor.group import MARK, ProcessGroup
from services.embedded.supervisor.lines import Lines
from services.embedded.supervisor.spec import READY_FILE, Doors, Patience, ServiceSpec
from shared.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Ready:
    """A service serves. `starts` counts its starts so far, so 1 is the first."""

    name: str
    doors: Doors
    pid: int
    starts: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A service is gone, for a `reason`, and starts again after `delay` seconds."""

    name: str
    reason: str
    delay: float


class Service:
    """One service of a group; `look` moves it on and must be called again and again."""

    def __init__(self, spec: ServiceSpec, group: ProcessGroup, folder: Path, patience: Patience) -> None:
        self.spec = spec
        self.doors: Doors | None = None
        """Where it listens; kept while it is being restarted, because it comes back there."""
        self._group = group
        self._folder = folder
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: list[Lines] = []
        self._ready = False
        self._asked_to_end = False
        self._since = time.monotonic()
        self._wait_until = 0.0
        self._starts = 0
        self._deaths = 0
        self._failed_starts = 0

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def look(self, addresses: Mapping[str, str]) -> Ready | Lost | None:
        """Start it if it is time, or tell what has become of it since the last look.

        `addresses` are those of the services that were ready before. Raises UnavailableError once it has
        failed to start so often that another try makes no sense.
        """
        if self._process is None:
            if time.monotonic() >= self._wait_until and addresses.keys() >= set(self.spec.needs):
                self._start(addresses)
            return None
        code = self._process.poll()
        if code is not None:
            return self._lost(_ending(code))
        return None if self._ready else self._becomes_ready(self._process)

    def _start(self, addresses: Mapping[str, str]) -> None:
        self._starts += 1
        needed = {f"IDIOLECT_{name.upper()}_ADDRESS": addresses[name] for name in self.spec.needs}
        told = {READY_FILE: str(self._ready_file), MARK: self._mark}
        ports = self.doors.ports() if self.doors else {}
        self._process = self._group.spawn(
            self.spec.command, {**self.spec.environment, **needed, **ports, **told}
        )
        self._lines = [lines for lines in self._lines if lines.open]
        self._lines.append(Lines(self.spec.name, self._process))
        self._since = time.monotonic()

    @property
    def _ready_file(self) -> Path:
        return self._folder / f"{self.spec.name}.{self._starts}"

    @property
    def _mark(self) -> str:
        return f"{self._group.id}.{self.spec.name}.{self._starts}"

    def _becomes_ready(self, process: subprocess.Popen[bytes]) -> Ready | Lost | None:
        try:
            doors = self.spec.ready(self._ready_file)
        except UnavailableError as error:
            return self._killed(process, str(error))
        if doors is None:
            late = time.monotonic() > self._since + self._patience.start
            return self._killed(process, f"was not ready after {self._patience.start:g} s") if late else None
        self._ready, self._failed_starts, self.doors = True, 0, doors
        self._since = time.monotonic()
        return Ready(self.spec.name, doors, process.pid, self._starts)

    def _killed(self, process: subprocess.Popen[bytes], reason: str) -> Lost:
        process.kill()
        process.wait()
        return self._lost(reason)

    def _lost(self, reason: str) -> Lost:
        """Takes note of a death, and of when to start again."""
        self._group.kill_orphans(self._mark)
        was_ready, self._ready, self._process = self._ready, False, None
        if not was_ready:
            self._give_up_after_many(reason)
        steady = was_ready and time.monotonic() - self._since >= self._patience.steady
        self._deaths = 1 if steady else self._deaths + 1
        delay = self._patience.delay(self._deaths)
        self._wait_until = time.monotonic() + delay
        return Lost(self.spec.name, reason, delay)

    def _give_up_after_many(self, reason: str) -> None:
        self._failed_starts += 1
        if self._failed_starts >= self._patience.starts:
            last = self._lines[-1].last()
            times = f"{self._failed_starts} times in a row" if self._failed_starts > 1 else "at all"
            said = f"; its last line: {last}" if last else ""
            raise UnavailableError(f"{self.spec.name} could not be started {times}: it {reason}{said}")

    def terminate(self) -> None:
        """Ask it, once, to finish what it does and to end."""
        if self.alive and self._process is not None and not self._asked_to_end:
            self._asked_to_end = True
            self._process.terminate()

    def reap(self) -> None:
        """Forget a process that was killed, once everything it wrote is passed on."""
        if self._process is not None:
            self._process.wait()
        for lines in self._lines:
            lines.join()


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
