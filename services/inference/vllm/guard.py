"""Sees to it that an engine leaves no process behind, even when who started it is killed without a chance.

vLLM's engine core outlives a killed parent and keeps its memory, and workers may outlive a core that ended
too slowly. So each engine has a guard beside it: a small process that notes what its parent starts until it
is told that all is settled, and ends what is left of that once it is told to, or is an orphan.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

# Seconds between two looks at the parent.
INTERVAL = 0.2
# Seconds that the guard may take to end what is left.
PATIENCE = 10
_SETTLED, _END = b"settled\n", b"end\n"


class Guard:
    """The guard of one engine, seen from the process that it watches. Start it before the engine."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__)), str(os.getpid())],
            stdin=subprocess.PIPE,
            # Ctrl-C goes to the whole group of a terminal, and the guard has to stay until the end.
            start_new_session=True,
        )

    def settle(self) -> None:
        """Everything has been started; what comes later is none of the guard's business."""
        self._tell(_SETTLED)

    def dismiss(self) -> None:
        """Have the guard end what is left of the engine, and then itself."""
        self._tell(_END)
        try:
            self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _tell(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()


def watch(parent: int) -> None:
    """Return when `parent` is gone or says so, and what it started meanwhile has been killed."""
    import psutil

    born = psutil.Process().create_time()
    seen: set[psutil.Process] = set()
    settled = ended = False
    while not ended and os.getppid() == parent:
        told = _told()
        if not settled:
            seen |= _started(parent, born)
        settled = settled or _SETTLED in told
        ended = _END in told
    for process in seen:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _told() -> bytes:
    """What the parent writes within one interval; nobody at the other end means the end."""
    if not select.select([sys.stdin.fileno()], [], [], INTERVAL)[0]:
        return b""
    return os.read(sys.stdin.fileno(), 64) or _END


def _started(parent: int, since: float) -> set[psutil.Process]:
    """Descendants of the parent that are younger than the guard; trackers clean up and end by themselves."""
    import psutil

    found: set[psutil.Process] = set()
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(parent).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                young = process.pid != os.getpid() and process.create_time() >= since
                if young and "resource_tracker" not in " ".join(process.cmdline()):
                    found.add(process)
    return found


if __name__ == "__main__":
    watch(int(sys.argv[1]))
