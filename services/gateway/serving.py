"""The gateway from start to end: listen, serve, drain on SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from services.gateway.listening import protocol_with
from services.gateway.settings import GatewaySettings
from shared.errors import FieldError


class GatewayServer(uvicorn.Server):
    """uvicorn's server, that tells long answers to end when it is asked to stop."""

    def __init__(self, app: FastAPI, settings: GatewaySettings) -> None:
        self._app = app
        self._settings = settings
        super().__init__(_config(app, settings))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks to stop."""
        # uvicorn would raise the signal once more after the drain, and the exit status would tell of a kill.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.stop()

    def stop(self) -> None:
        """Stop soon; may be called from any thread."""
        self._app.state.stopping.set()
        self.should_exit = True

    def listen(self) -> socket.socket:
        """The socket to serve on; the ready file tells its address. FieldError where it can't be had."""
        host, port = self._settings.address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio sends small pieces without delay only where the protocol is named.
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, port))
        except OSError as error:
            found.close()
            problem = f"{host}:{port} can't be listened on ({error.strerror})"
            raise FieldError("IDIOLECT_GATEWAY_LISTEN", problem, "give a free HOST:PORT") from None
        found.listen(1024)
        if self._settings.ready_file is not None:
            _publish(address_of(found), self._settings.ready_file)
        return found


def address_of(listening: socket.socket) -> str:
    """``HOST:PORT`` of a socket."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _publish(address: str, path: Path) -> None:
    """Write the address in one step: whoever waits for the file never reads half of it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(address, encoding="utf-8")
    beside.replace(path)


def _config(app: FastAPI, settings: GatewaySettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol_with(settings.header_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=settings.stop_seconds,
    )
