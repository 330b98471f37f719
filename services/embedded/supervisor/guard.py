"""The guard: leads the process group of the services and ends it when the supervisor is gone.

Its standard input is a pipe whose other end only the supervisor holds. However the supervisor ends, the
kernel closes that end, and the guard sends SIGTERM to the whole group, waits for a grace and sends SIGKILL,
itself included. A process that is just being started holds a copy of the pipe until it has joined the group.

Runs by its path, alone: it uses the standard library only. Who leaves the group (`setsid`) leaves its guard.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_POLL_SECONDS = 0.02
_PROCESSES = Path("/proc")


def main() -> None:
    """Wait for the supervisor's end; the only argument is the grace in seconds."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(sys.stdin.fileno(), 4096):
        pass
    end_group(float(sys.argv[1]))


def end_group(grace: float) -> None:
    """End every process of this group, this one last."""
    os.killpg(os.getpgrp(), signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and others_live():
        time.sleep(_POLL_SECONDS)
    # Sent even to an empty group: a list of processes is no snapshot, a signal to a group is.
    os.killpg(os.getpgrp(), signal.SIGKILL)


def others_live() -> bool:
    """Whether another process of this group lives; True where nobody can tell, so the grace is waited for."""
    if not _PROCESSES.is_dir():
        return True
    return any(pid != os.getpid() for pid in members(os.getpgrp()))


def members(group: int) -> Iterator[int]:
    """Process ids of a group that are not dead yet."""
    for folder in _PROCESSES.iterdir():
        if folder.name.isdecimal() and _belongs(folder, group):
            yield int(folder.name)


def _belongs(folder: Path, group: int) -> bool:
    try:
        told = (folder / "stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The name of the program stands in brackets and may hold anything.
    state, _, pgrp = told.rpartition(b")")[2].split()[:3]
    return int(pgrp) == group and state not in (b"Z", b"X")


if __name__ == "__main__":
    main()
