"""The whole street: a gateway process before a house of real processes, and a client that doesn't give up."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from house import House, Part, eventually, free_port

from services.pipeline.work.segments import finished_lines
from shared.jobs.layout import JobKey
from shared.jobs.order import JobOrder

LONG = "IDIOLECT_TEST_KILL" in os.environ
LINES = int(os.environ.get("IDIOLECT_TEST_LINES", "2000" if LONG else "240"))
NDJSON = {"Content-Type": "application/x-ndjson"}
WIRE = Path(__file__).parent / "wire.py"
RESUMED_SECONDS = 60.0
_ROOM = "256m"


@dataclass(frozen=True, slots=True)
class Account:
    """What a job came to: its status, lines that count, whether each line is there once, and its bytes."""

    status: str
    counted: int
    once: bool
    records: bytes


class Street:
    """All processes of an installation; `disk` is whether the store stands on a small disk of its own.

    `store`: where it stands, else in the folder.
    """

    def __init__(self, folder: Path, in_flight: int, store: str | None = None) -> None:
        self._in_flight = in_flight
        self.disk = store is None and _mounted(folder / "store")
        self.house = House(folder, store)
        self.house.service("student", IDIOLECT_STUDENT_ENGINE="scripted")
        self.house.service("oracle", IDIOLECT_ORACLE_ENGINE="rules")
        self._address = f"127.0.0.1:{free_port()}"
        self._query = "wait=0"
        self._start_gateway()
        self.workers()

    def _start_gateway(self) -> None:
        addresses = self.house.addresses
        told = {
            "IDIOLECT_STORE": self.house.store_url,
            "IDIOLECT_REDIS": self.redis,
            "IDIOLECT_STUDENT": addresses["student"],
            "IDIOLECT_ORACLE": addresses["oracle"],
            "IDIOLECT_GATEWAY_LISTEN": self._address,
        }
        self.house.part([sys.executable, "-m", "services.gateway"], "gateway", told)

    @property
    def redis(self) -> str:
        """Address of Redis."""
        return f"redis://127.0.0.1:{self.house.port}/0"

    def workers(self, **environment: str) -> None:
        """The one host of workers, started anew; few lines in flight, so that a job has a middle."""
        if "workers" in self.house.named:
            self.house.named["workers"].kill()
        self.house.workers(IDIOLECT_PIPELINE_IN_FLIGHT=str(self._in_flight), **environment)

    @property
    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://{self._address}", timeout=150)

    def answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """The first answer that is no failure; whoever finds nobody asks again."""

        def asked() -> httpx2.Response | None:
            try:
                with self.client as client:
                    found = client.request(method, path, **options)
            except httpx2.TransportError:
                return None
            return None if found.status_code >= 500 else found

        answered: httpx2.Response = eventually(asked, f"{method} {path}")
        return answered

    def fit(self, body: bytes) -> None:
        """From now on jobs name a profile of these lines, where else each fits one of its own."""
        asked = {"name": "student", "input_file_id": self.upload(body)}
        self.profile = self.answer("POST", "/v1/students", json=asked).json()["id"]
        self._query = f"wait=0&profile={self.profile}"

    def upload(self, body: bytes) -> str:
        """Id of a file of these lines."""
        file = {"data": {"purpose": "user_data"}, "files": {"file": ("lines.jsonl", body)}}
        found: str = self.answer("POST", "/v1/files", **file).json()["id"]
        return found

    def post(self, body: bytes) -> JobOrder:
        """An accepted job."""
        headers = {**NDJSON, "Idempotency-Key": str(uuid.uuid4())}
        found = self.answer("POST", f"/v1/refinements?{self._query}", content=body, headers=headers)
        assert found.status_code == 202, found.text
        return self.house.desk.order(JobKey("local", found.json()["id"]))

    def call_off(self) -> None:
        """Cancel the jobs that haven't ended: a test that failed would take the time of the next one."""
        for shown in self.answer("GET", "/v1/jobs").json()["data"]:
            if shown["ended_at"] is None:
                self.answer("POST", f"/v1/jobs/{shown['id']}/cancel")

    def shown(self, order: JobOrder) -> dict[str, Any]:
        """The job as the gateway shows it."""
        found: dict[str, Any] = self.answer("GET", f"/v1/jobs/{order.key.job}").json()
        return found

    def safe(self, order: JobOrder) -> int:
        """Lines whose results nothing can take away any more."""
        desk, count = self.house.desk, 0
        for root in order.roots():
            for shard, outcome in desk.leaves(order, root):
                kept = finished_lines(desk.store, order, shard) if outcome is None else {}
                count += len(kept) if outcome is None else sum(outcome.counts.values())
        return count

    def reaches(self, order: JobOrder, share: float) -> None:
        """Wait until that much of the job is safe."""
        eventually(lambda: self.safe(order) >= share * order.lines, f"{share} of the job")

    @contextmanager
    def resumed(self, order: JobOrder) -> Iterator[None]:
        """What happens in here holds work up for a minute at most."""
        before = self.safe(order)
        yield
        eventually(
            lambda: self.safe(order) > before or self.house.desk.end(order.key),
            "work after the fault",
            RESUMED_SECONDS,
        )

    def account(self, order: JobOrder) -> Account:
        """The job's account once it has ended."""
        self.house.end_of(order)
        shown = self.shown(order)
        path = f"/v1/jobs/{order.key.job}"
        records = self.answer("GET", f"{path}/results").content
        numbers = [json.loads(line)["line"] for line in records.splitlines()]
        once = numbers == list(range(1, order.lines + 1))
        return Account(shown["status"], sum(shown["counts"].values()), once, records)

    def restart(self, name: str) -> None:
        """Kill -9 of a part and of all below it; then what a supervisor does."""
        part = self.house.named[name]
        part.kill()
        part.start()

    def wire(self, name: str, target: int) -> tuple[Part, int]:
        """A piece of network of its own between the workers and a port."""
        port = free_port()
        return self.house.part([sys.executable, str(WIRE), str(port), str(target)], name), port

    def close(self) -> None:
        self.house.close()
        if self.disk:
            _libc().umount2(str(self.house.folder / "store").encode(), 2)


@contextmanager
def cut(wires: list[Part], seconds: float) -> Iterator[None]:
    """The network is away for so long, and back at the end."""
    for wire in wires:
        wire.process.send_signal(signal.SIGSTOP)
    threading.Event().wait(seconds)
    for wire in wires:
        wire.process.send_signal(signal.SIGCONT)
    yield


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Nothing more goes onto the disk of the folder."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            _fill(file.write)
        yield
    finally:
        ballast.unlink()


def _fill(write: Callable[[bytes], int | None]) -> None:
    for size in (1 << 20, 1 << 12, 1):
        try:
            while write(bytes(size)):
                pass
        except OSError:
            continue


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _mounted(folder: Path) -> bool:
    """Whether a small disk could be mounted there; that takes rights which not everybody has."""
    folder.mkdir(parents=True)
    if sys.platform != "linux":
        return False
    told = (b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={_ROOM}".encode())
    return int(_libc().mount(*told)) == 0
