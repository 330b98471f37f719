"""What a service is to the supervisor, and how it tells that it serves.

A service finds in its environment:

| variable | meaning |
|---|---|
| `IDIOLECT_READY_FILE` | path; once it serves it writes its address there, atomically |
| `IDIOLECT_PORT` | port to listen on, given on a restart so that clients find it again |
| `IDIOLECT_NAME_PORT` | the same for a further door, for example `IDIOLECT_METRICS_PORT` |
| `IDIOLECT_NAME_ADDRESS` | address of a service that it needs, for example `IDIOLECT_STUDENT_ADDRESS` |

The first line of the file is the address, ``127.0.0.1:43211``; each further line names another door,
``metrics 127.0.0.1:43212``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import UnavailableError

READY_FILE = "IDIOLECT_READY_FILE"


@dataclass(frozen=True, slots=True)
class Doors:
    """Where a service listens: its address, and further doors by name."""

    address: str
    further: Mapping[str, str] = field(default_factory=dict)

    def ports(self) -> dict[str, str]:
        """Environment that asks a successor for the same ports."""
        named = {"": self.address, **{f"{name.upper()}_": address for name, address in self.further.items()}}
        return {f"IDIOLECT_{name}PORT": address.rpartition(":")[2] for name, address in named.items()}


def written_doors(path: Path) -> Doors | None:
    """What a service has written to its ready file; None as long as there is none.

    Raises UnavailableError for a file that names no address.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except FileNotFoundError:
        return None
    further = dict(_named(line) for line in lines[1:] if line.strip())
    return Doors(_address(lines[0]), further)


def _named(line: str) -> tuple[str, str]:
    name, _, address = line.strip().partition(" ")
    return name, _address(address)


def _address(text: str) -> str:
    host, _, port = text.strip().rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UnavailableError(f"wrote {text[:80]!r} where an address like 127.0.0.1:43211 belongs")
    return text.strip()


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service.

    Attributes:
        name: short, unique; it stands before every line that the service writes.
        command: program and arguments.
        environment: added to this process's own.
        needs: names of services that must be ready before it starts, and that outlive it at the end.
        ready: where the service listens, told from its ready file; None until it serves.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    ready: Callable[[Path], Doors | None] = written_doors


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits, in seconds, and how often it tries.

    Attributes:
        first_delay, longest_delay: before a restart; doubled with every death in a row.
        steady: a service that was ready for so long begins again with `first_delay`.
        starts: starts in a row that may fail before the supervisor gives up.
        start: a service that isn't ready by then has failed to start.
        drain: for the services' own end after SIGTERM, before SIGKILL.
        grace: for processes that outlive their service, before SIGKILL.
    """

    first_delay: float = 0.5
    longest_delay: float = 30.0
    steady: float = 60.0
    starts: int = 5
    start: float = 900.0
    drain: float = 30.0
    grace: float = 5.0

    def delay(self, deaths: int) -> float:
        """Seconds before the next start, after so many deaths in a row (at least one)."""
        return min(self.longest_delay, self.first_delay * 2.0 ** min(deaths - 1, 60))
