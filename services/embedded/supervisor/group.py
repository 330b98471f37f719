"""The supervisor's side of the process group: starts the guard, starts services in the group, ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from services.embedded.supervisor import guard
from shared.errors import UnavailableError

MARK = "IDIOLECT_SPAWN"
"""Environment variable that names the service and the start that a process comes from."""


class ProcessGroup:
    """A process group of its own, led by the guard (see `guard`); the guard's grace is in seconds.

    Not in the terminal's foreground: Ctrl-C reaches the supervisor alone.
    """

    def __init__(self, grace: float) -> None:
        # -I and -S: the guard starts at once, and from any working directory.
        command = [sys.executable, "-I", "-S", guard.__file__, str(grace)]
        self._guard = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0
        )

    @property
    def id(self) -> int:
        """Id of the group, which is the guard's process id."""
        return self._guard.pid

    @property
    def guarded(self) -> bool:
        """Whether the guard lives. It is not reaped here, so that its number stays its own."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.id, options) is None

    def spawn(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """A process of this group; what it writes comes through one pipe.

        Raises UnavailableError where the program isn't there.
        """
        try:
            return subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=self.id,
            )
        except OSError as error:
            raise UnavailableError(f"{command[0]} can't be started: {error.strerror or error}") from error

    def kill_orphans(self, mark: str) -> None:
        """End what a dead service left behind: processes of this group with its mark.

        Who changed its own environment's memory is missed until the end of the group.
        """
        import psutil

        for process in psutil.process_iter():
            try:
                if os.getpgid(process.pid) == self.id and process.environ().get(MARK) == mark:
                    process.kill()
            except (ProcessLookupError, PermissionError, psutil.Error):
                continue

    def kill(self) -> None:
        """SIGKILL for every process of the group, the guard included."""
        os.killpg(self.id, signal.SIGKILL)

    def dismiss(self) -> None:
        """Tell the guard that it is over: SIGTERM for whoever is left, then SIGKILL."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()

    def reap(self) -> None:
        """Forget the guard, which has ended."""
        self.dismiss()
        self._guard.wait()
