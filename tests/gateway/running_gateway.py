"""A gateway that listens on loopback: real uvicorn, in a thread of this process."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

import httpx2
from prometheus_client import CollectorRegistry

from services.gateway.app import build
from services.gateway.auth import digest_of_key
from services.gateway.house import House
from services.gateway.serving import GatewayServer, address_of
from services.gateway.settings import GatewaySettings
from shared.jobs.desk import JobDesk
from shared.store import Store

# Their digests are all that the gateway is told.
ANNA, BERT = "idk_annas_key", "idk_berts_key"
KEYS = f"anna:{digest_of_key(ANNA)},bert:{digest_of_key(BERT)}"


class RunningGateway:
    """Use as a context manager; settings as keywords."""

    def __init__(self, store: str, **settings: Any) -> None:
        values = {"listen": "127.0.0.1:0", "sweep_seconds": 0.1, "store": store, **settings}
        self.settings = GatewaySettings(**values)
        self.app = build(self.settings, CollectorRegistry())
        self.server = GatewayServer(self.app, self.settings)

    @property
    def house(self) -> House:
        house: House = self.app.state.house
        return house

    @property
    def store(self) -> Store:
        return self.house.store

    @property
    def desk(self) -> JobDesk:
        return self.house.desk

    def __enter__(self) -> RunningGateway:
        self.socket = self.server.listen()
        self.address = address_of(self.socket)
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def client(self, key: str | None = ANNA) -> httpx2.Client:
        """A client with a key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60.0)
