"""A gRPC service from start to end: listen, tell its health, serve, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, start_http_server

from shared.devices import device_memory
from shared.errors import FieldError
from shared.metrics import DeviceCollector, ServiceMetrics
from shared.rpc.door import MESSAGE_BYTES, Door
from shared.rpc.tls import TlsFiles
from shared.trace_export import exporting

_LOG = logging.getLogger(__name__)
# Larger messages reach the door, which says which field is too large; beyond this gRPC itself refuses.
_RECEIVED_BYTES = 16 * MESSAGE_BYTES


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How a service listens and ends.

    Attributes:
        listen: ``HOST:PORT``; port 0 takes a free one.
        metrics_listen: where ``/metrics`` is served; None: nowhere.
        tls: files for mutual TLS; None: plain text, for loopback and private networks.
        drain_seconds: how long running calls may go on after SIGTERM.
        connection_age_seconds: a connection is closed gently at this age, so that clients look anew for
            replicas.
        ready_file: is given the addresses once the service serves, for whoever started it.
    """

    listen: str = "127.0.0.1:0"
    metrics_listen: str | None = None
    tls: TlsFiles | None = None
    drain_seconds: float = 30.0
    connection_age_seconds: float = 300.0
    ready_file: Path | None = None


class Service(Protocol):
    """What a house gives to be served."""

    @property
    def name(self) -> str:
        """Short name, a label of the metrics: ``student``."""
        ...

    @property
    def contract(self) -> str:
        """Full name of its service in the contract."""
        ...

    def register(self, server: aio.Server, metrics: ServiceMetrics) -> None:
        """Add the methods to the server."""
        ...

    async def start(self, tell: Callable[[bool], None], fail: Callable[[Exception], None]) -> None:
        """Begin to load what it needs, and `tell` whenever it becomes able or unable to serve.

        `fail` ends the service with an error, for what no waiting will cure.
        """
        ...

    async def stop(self) -> None:
        """Let go of everything."""
        ...


class Running:
    """A service that listens.

    Attributes:
        serving: set once it can serve. broken: set once it never will. failure: why.
        address, metrics_address: where it listens.
    """

    def __init__(self, service: Service, settings: ServerSettings, registry: CollectorRegistry) -> None:
        self._service = service
        self._settings = settings
        self._health = health.HealthServicer()
        self._metrics = ServiceMetrics(service.name, registry)
        registry.register(DeviceCollector(service.name, device_memory))
        self._server = aio.server(interceptors=[Door(self._metrics)], options=_options(settings))
        self._http: Any = None
        self._told: set[asyncio.Task[None]] = set()
        self.serving = asyncio.Event()
        self.broken = asyncio.Event()
        self.failure: Exception | None = None
        self.address = ""
        self.metrics_address: str | None = None

    async def __aenter__(self) -> Running:
        await self._tell(False)
        self._service.register(self._server, self._metrics)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (self._service.contract, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)
        self.address = self._listen()
        self._serve_metrics()
        await self._server.start()
        await self._service.start(self._tell_soon, self._fail)
        _LOG.info("%s listens on %s", self._service.name, self.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain()

    async def drain(self) -> None:
        """Refuse new calls, let the running ones end, and let go of everything."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.drain_seconds)
        await self._service.stop()
        if self._http is not None:
            server, thread = self._http
            server.shutdown()
            thread.join()

    def _listen(self) -> str:
        host, _, _ = self._settings.listen.rpartition(":")
        try:
            if self._settings.tls is None:
                port = self._server.add_insecure_port(self._settings.listen)
            else:
                port = self._server.add_secure_port(self._settings.listen, self._settings.tls.for_server())
        except RuntimeError:
            problem = f"{self._settings.listen} can't be listened on"
            raise FieldError("listen", problem, "give a free HOST:PORT of this machine") from None
        return f"{host}:{port}"

    def _serve_metrics(self) -> None:
        if self._settings.metrics_listen is None:
            return
        host, port = split_address(self._settings.metrics_listen, "metrics_listen")
        try:
            self._http = start_http_server(port, host, self._metrics.registry)
        except OSError as error:
            problem = f"{self._settings.metrics_listen} can't be listened on ({error.strerror})"
            raise FieldError("metrics_listen", problem, "give a free HOST:PORT of this machine") from None
        self.metrics_address = f"{host}:{self._http[0].server_port}"

    def _tell_soon(self, serving: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._tell(serving))
        self._told.add(task)
        task.add_done_callback(self._told.discard)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        self.broken.set()

    async def _tell(self, serving: bool) -> None:
        kinds = health_pb2.HealthCheckResponse
        status = kinds.SERVING if serving else kinds.NOT_SERVING
        for name in ("", self._service.contract):
            await self._health.set(name, status)
        if serving:
            self.serving.set()


def split_address(address: str, field: str) -> tuple[str, int]:
    """Host and port. FieldError where it is no ``HOST:PORT``."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise FieldError(field, f"{address!r} is no HOST:PORT", "give an address such as 127.0.0.1:9000")
    return host.strip("[]"), int(port)


def run(service: Service, settings: ServerSettings, registry: CollectorRegistry) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises what the service failed with, after draining."""
    with exporting(service.name):
        asyncio.run(_run(service, settings, registry))


async def _run(service: Service, settings: ServerSettings, registry: CollectorRegistry) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with Running(service, settings, registry) as running:
        publishing = asyncio.ensure_future(_publish(running, settings.ready_file))
        await first_of(ended, running.broken)
        publishing.cancel()
        _LOG.info("%s drains", service.name)
    if running.failure is not None:
        raise running.failure


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for wait in waiting:
        wait.cancel()


async def _publish(running: Running, path: Path | None) -> None:
    """Once it serves, say where: its address, then each further door by name."""
    if path is None:
        return
    await running.serving.wait()
    doors = [running.address]
    if running.metrics_address is not None:
        doors.append(f"metrics {running.metrics_address}")
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text("\n".join(doors), encoding="utf-8")
    beside.replace(path)


def _options(settings: ServerSettings) -> Sequence[tuple[str, int]]:
    age = int(settings.connection_age_seconds * 1000)
    return (
        ("grpc.max_receive_message_length", _RECEIVED_BYTES),
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.max_connection_age_ms", age),
        ("grpc.max_connection_age_grace_ms", 3_600_000),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.max_ping_strikes", 0),
        # Two services on one port would each get some of the calls; better that the second one fails.
        ("grpc.so_reuseport", 0),
    )
