"""What a service writes, passed on line by line under its name."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import IO

_STDERR = 2
_LONGEST = 2**16
_SHOWN = 400
_JOIN_SECONDS = 2.0


class Lines:
    """A thread that reads the output of one process and writes it to this process's stderr.

    It goes on reading where stderr is closed, so that the service never waits for a reader. Lines longer
    than 64 KiB come in pieces.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self._prefix = f"[{name}] ".encode()
        self._last = b""
        self._thread = threading.Thread(
            target=self._pass_on, args=(process.stdout,), name=f"lines-{name}", daemon=True
        )
        self._thread.start()

    @property
    def open(self) -> bool:
        """Whether somebody may still write."""
        return self._thread.is_alive()

    def last(self) -> str:
        """The last line that wasn't empty, once the process has ended."""
        self.join()
        return self._last.decode("utf-8", "replace").strip()[:_SHOWN]

    def join(self) -> None:
        """Wait for the end of the output, but not for ever: a process that left the group may hold it."""
        self._thread.join(_JOIN_SECONDS)

    def _pass_on(self, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(_LONGEST):
                self._last = line if line.strip() else self._last
                _write(self._prefix + line.rstrip(b"\n") + b"\n")


def _write(line: bytes) -> None:
    # Not through sys.stderr: a thread that holds its lock would keep the interpreter from ending.
    try:
        while line:
            line = line[os.write(_STDERR, line) :]
    except OSError:
        return
