"""Services as processes of their own, which can be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from waiting import eventually

ROOT = Path(__file__).parents[2]


class Process:
    """``python -m services.NAME`` with settings from the environment; use as a context manager."""

    def __init__(self, name: str, folder: Path, **variables: str) -> None:
        self._ready = folder / f"{name}.ready"
        self._command = [sys.executable, "-m", f"services.{name}"]
        self._environment = environment(IDIOLECT_READY_FILE=str(self._ready), **variables)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Process:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self._ready.unlink(missing_ok=True)
        log = self._ready.with_suffix(".log").open("a")
        self._process = subprocess.Popen(self._command, env=self._environment, stderr=log, text=True)
        log.close()
        assert eventually(self._ready.exists, 60), self._ready.with_suffix(".log").read_text()

    def kill(self) -> None:
        """As ``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def address(self) -> str:
        """Where it listens."""
        return self._ready.read_text().splitlines()[0]


def environment(**variables: str) -> dict[str, str]:
    """That of a process which finds this repository and keeps to one core."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}


def ended(name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A service that ends by itself."""
    command = [sys.executable, "-m", f"services.{name}"]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, check=False, timeout=60
    )


def free_port(hosts: list[str]) -> int:
    """A port that is free on all the hosts."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((hosts[0], 0))
            port = first.getsockname()[1]
            try:
                for host in hosts[1:]:
                    stack.enter_context(socket.socket()).bind((host, port))
            except OSError:
                continue
            return port
