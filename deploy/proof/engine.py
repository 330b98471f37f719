"""The project's containers, as a person at the terminal has them: Compose, and signals from the host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
PROJECT = "idiolect-proof"
FILES = ("docker-compose.yml", "deploy/compose.cpu.yml")
Found = TypeVar("Found")


class Containers:
    """One project of Compose; `environment` is what else would stand in ``.env``."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {
            **os.environ,
            "COMPOSE_FILE": ":".join(FILES),
            **environment,
            "PROJECT_NAME": PROJECT,
        }

    def compose(self, *arguments: str, given: str | None = None, **environment: str) -> str:
        """What ``docker compose`` says. RuntimeError, with what it complained of, where it fails."""
        return _run(("docker", "compose", *arguments), {**self._environment, **environment}, given)

    def run(self, *arguments: str) -> str:
        """What a container of its own says, which is gone afterwards. RuntimeError where it fails."""
        return _run(("docker", "run", "--rm", *arguments), self._environment)

    def script(self, name: str, *arguments: str) -> str:
        """What a script of ``deploy`` says, as an operator runs it. RuntimeError where it fails."""
        return _run((str(ROOT / "deploy" / name), *arguments), self._environment)

    def ids(self, service: str) -> list[str]:
        """The running containers of a service."""
        return self.compose("ps", "-q", service).split()

    def state(self, container: str) -> dict[str, Any]:
        """What the engine tells about a container."""
        told: dict[str, Any] = json.loads(_run(("docker", "inspect", container), self._environment))[0]
        return told

    def kill_main_process(self, service: str) -> None:
        """Kill -9 from the host, which the engine takes for a crash."""
        container = self.ids(service)[0]
        os.kill(self.state(container)["State"]["Pid"], signal.SIGKILL)

    def restarts(self, service: str) -> int:
        """How often the engine has started the service's containers again."""
        return sum(self.state(one)["RestartCount"] for one in self.ids(service))

    def healthy(self, service: str, number: int = 1) -> bool:
        """Whether so many containers of the service run and say that they serve."""
        states = [self.state(one)["State"] for one in self.ids(service)]
        well = [one for one in states if one["Running"] and one["Health"]["Status"] == "healthy"]
        return len(well) == number

    def cut(self, service: str, network: str, seconds: float) -> None:
        """The service has no such network for so long."""
        container, name = self.ids(service)[0], f"{PROJECT}_{network}"
        _run(("docker", "network", "disconnect", name, container), self._environment)
        threading.Event().wait(seconds)
        _run(("docker", "network", "connect", "--alias", service, name, container), self._environment)

    def size(self, image: str) -> int:
        """Bytes of an image."""
        return int(_run(("docker", "image", "inspect", "-f", "{{.Size}}", image), self._environment))


def is_there() -> bool:
    """Whether an engine answers, with Compose."""
    for command in (("docker", "version"), ("docker", "compose", "version")):
        try:
            done = subprocess.run(command, capture_output=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode:
            return False
    return True


def eventually(look: Callable[[], Found | None], what: str, seconds: float) -> Found:
    """The first thing that is found. TimeoutError, which says what was waited for, after so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return found
        threading.Event().wait(0.5)
    raise TimeoutError(f"{what}: not within {seconds:g} s")


def _run(command: Sequence[str], environment: dict[str, str], given: str | None = None) -> str:
    done = subprocess.run(command, env=environment, cwd=ROOT, input=given, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout
