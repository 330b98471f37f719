"""Small real services, and a real supervisor over them in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

PATIENCE_SECONDS = 60.0

SUPERVISOR = """
import json, sys
from services.embedded.exits import exit_code
from services.embedded.serving import keep_up
from services.embedded.supervisor.spec import Patience, ServiceSpec
from shared.errors import IdiolectError

told = json.loads(sys.argv[1])
specs = [ServiceSpec(name, (sys.executable, "-c", program), {}, tuple(needs))
         for name, program, needs in told["services"]]
try:
    sys.exit(keep_up(specs, Patience(**told["patience"]), as_json=told["json"]))
except IdiolectError as error:
    print(error, file=sys.stderr)
    sys.exit(exit_code(error))
"""

_SERVICE = """
import os, signal, socket, subprocess, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = socket.create_server(("127.0.0.1", int(os.environ.get("IDIOLECT_PORT", "0"))))
address = "127.0.0.1:%d" % server.getsockname()[1]
{extra}
ready = os.environ["IDIOLECT_READY_FILE"]
with open(ready + ".new", "w") as file:
    file.write(address)
os.replace(ready + ".new", ready)
while True:
    time.sleep(60)
"""

DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
SLEEPER = "import time; time.sleep(600)"
DEAF_SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def service(extra: str = "") -> str:
    """A program that listens, runs `extra`, tells its address and serves until SIGTERM."""
    return _SERVICE.format(extra=extra)


def with_child(program: str) -> str:
    """A service with a child process of its own."""
    return service(f"subprocess.Popen([sys.executable, '-c', {program!r}])")


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether `condition` becomes true before the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def connects(address: str) -> bool:
    """Whether somebody listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def living(group: int) -> list[psutil.Process]:
    """The processes of a group that are not dead."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


class House:
    """A running supervisor: its process, what it has written, the processes of its group."""

    def __init__(
        self,
        folder: Path,
        services: list[tuple[str, str, list[str]]],
        patience: dict[str, float],
        as_json: bool,
    ) -> None:
        told = json.dumps({"services": services, "patience": patience, "json": as_json})
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISOR, told], stdout=stdout, stderr=stderr
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text("utf-8")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text("utf-8")

    def summary(self) -> dict[str, Any]:
        """The line of JSON, once it is there."""
        assert eventually(lambda: self.stdout.endswith("\n")), self.stderr
        return json.loads(self.stdout)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(PATIENCE_SECONDS)

    def close(self, group: int | None = None) -> None:
        """Ends what a failed test has left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
