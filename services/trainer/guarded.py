"""A command under the guard (`services.trainer.guard`), with a log of its own: it outlives nobody."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from services.trainer import guard

GRACE_SECONDS = 10.0
_TAIL_BYTES = 2000


class Guarded:
    """One command that runs now; its output goes to the file `log`."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [sys.executable, guard.__file__, str(GRACE_SECONDS), *command],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Process id of the guard, which leads the group."""
        return self._process.pid

    def stop(self) -> None:
        """Have it write a checkpoint and end."""
        if self._process.stdin is not None and self._process.poll() is None:
            with contextlib.suppress(BrokenPipeError, ValueError):
                self._process.stdin.write(b"stop\n")
                self._process.stdin.flush()

    def end(self) -> None:
        """Have it end within the grace, by force in the end."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def kill(self) -> None:
        """Kill the guard now."""
        self._process.kill()

    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = self._process.wait()
        self.end()
        return code

    def last_words(self) -> str:
        """The last line of its output."""
        said = self._log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
        return said.rpartition("\n")[2] or "nothing"


def signal_of(code: int) -> int:
    """The number of the signal that an exit code tells of; 0 for none."""
    return max(code - 128 if code > 128 else -code, 0)


def death(code: int) -> str:
    """In words, how a process ended that told no outcome."""
    number = signal_of(code)
    if number == signal.SIGKILL:
        return "the training was killed, as the system does with processes when memory runs out"
    if number:
        return f"the training died of signal {number}"
    return f"the training ended with exit code {code}"
