"""Ends the engine's processes when the process that started them is killed without a chance to do so.

vLLM's engine core outlives a killed parent and keeps its memory. So each engine has a guard beside it: a
small process that notes what its parent starts until it reads a line, and ends that once it is an orphan.
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
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.write(b"settled\n")
            self._process.stdin.flush()

    def dismiss(self) -> None:
        """End the guard, which then ends nothing."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


def watch(parent: int) -> None:
    """Return when `parent` is gone and what it started meanwhile has been killed."""
    import psutil

    born = psutil.Process().create_time()
    seen: set[psutil.Process] = set()
    settled = False
    while os.getppid() == parent:
        if settled:
            select.select([], [], [], INTERVAL)
            continue
        settled = bool(select.select([sys.stdin.fileno()], [], [], INTERVAL)[0])
        seen |= _started(parent, born)
    for process in seen:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


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
