"""A trainer service in this process, behind a real gRPC server, on a store in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from served import Loop
from small_students import SETTINGS

from services.trainer.core import CoreSettings, TrainerCore
from services.trainer.handover import Handover, Sleeper
from services.trainer.process import Launch
from services.trainer.servicer import TrainerService
from shared.clients.trainer import TrainerClient, TrainingRequest
from shared.domain.training import TrainingStanding
from shared.rpc.channel import Target
from shared.rpc.server import Running, ServerSettings, first_of
from shared.store.local import LocalStore

TENANT = "default"


class TrainerHouse:
    """The service and a client of it; use as a context manager. A second one on the folder is a restart."""

    def __init__(
        self, folder: Path, base: Path, sleepers: Sequence[Sleeper] = (), lease: float = 60.0
    ) -> None:
        self.store = LocalStore(folder / "store")
        self.work = folder / "work"
        settings = CoreSettings(
            {"pupil": str(base)}, self.work, Launch(device="cpu", threads=1), watch_seconds=0.02
        )
        self.core = TrainerCore(self.store, settings, Handover(sleepers, lease))
        self._registry = CollectorRegistry()
        self._loop = Loop()
        self._running: Running | None = None

    def __enter__(self) -> TrainerHouse:
        self.address = self._loop.run(self._enter())
        self.client = TrainerClient(Target(self.address), TENANT)
        return self

    async def _enter(self) -> str:
        self._running = Running(TrainerService(self.core), ServerSettings(drain_seconds=0.5), self._registry)
        await self._running.__aenter__()
        await first_of(self._running.serving, self._running.broken)
        assert self._running.failure is None
        return self._running.address

    def __exit__(self, *_: object) -> None:
        self.client.close()
        assert self._running is not None
        self._loop.run(self._running.drain())
        self._loop.close()

    def metrics(self) -> str:
        """What ``/metrics`` shows."""
        return generate_latest(self._registry).decode()

    def put_rows(self, rows: Path, path: str = "files/rows") -> str:
        """Store rows in the caller's name space; their digest."""
        self.store.put_if_absent(f"t/{TENANT}/{path}", rows.read_bytes())
        return hashlib.sha256(rows.read_bytes()).hexdigest()

    def request(self, rows: Path, **changed: Any) -> TrainingRequest:
        """A small training on those rows."""
        settings = replace(SETTINGS, **changed)
        return TrainingRequest("graduate", "pupil", "files/rows", self.put_rows(rows), settings, arm="native")

    def start(self, rows: Path, **changed: Any) -> TrainingStanding:
        """Begin it."""
        return self.client.start(self.request(rows, **changed))

    def end(self, training: str) -> TrainingStanding:
        """How it ended, once it has."""
        *_, (standing, _) = self.client.watch(training)
        return standing

    def call_off(self, tenant: str = TENANT) -> None:
        """Cancel what a test left behind, which the next one would have to wait for."""
        client = self.client.of_tenant(tenant)
        for standing in client.list()[0]:
            if standing.ended is None:
                client.cancel(standing.id)
