"""Stands before an HTTP server that closes after each answer, and holds one request until it is opened."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

_PIECE = 1 << 16
_PATIENCE_SECONDS = 120.0


class Gate:
    """Holds the first request whose first line holds all of `wanted`; all others pass. A context manager.

    Args:
        target: port of the server. answered: let the server do what is asked, and hold its answer.
    """

    def __init__(self, target: int, wanted: Sequence[str], *, answered: bool = False) -> None:
        self._target, self._answered = target, answered
        self._wanted = [word.encode() for word in wanted]
        self._lock = threading.Lock()
        self._closed = False
        self._reached, self._opened = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def await_request(self) -> None:
        """Until the request is held."""
        assert self._reached.wait(_PATIENCE_SECONDS), "nobody came to the gate"

    def open(self) -> None:
        """Let it go, and all that come after it."""
        self._opened.set()

    def __enter__(self) -> Gate:
        self._thread = threading.Thread(target=self._serve, name="gate", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        # A thread that waits for a client is woken.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._exchange, args=(client,), daemon=True).start()

    def _exchange(self, client: socket.socket) -> None:
        # Either side may be gone by now, which is what the gate is for.
        with client, suppress(OSError):
            head = client.recv(_PIECE)
            held = self._is_held(head.partition(b"\r\n")[0])
            if held and not self._answered:
                self._hold()
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                server.sendall(head)
                threading.Thread(target=_carry, args=(client, server), daemon=True).start()
                answer = b"".join(iter(lambda: server.recv(_PIECE), b""))
            if held and self._answered:
                self._hold()
            client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)

    def _is_held(self, line: bytes) -> bool:
        with self._lock:
            held = not self._closed and all(word in line for word in self._wanted)
            self._closed = self._closed or held
            return held

    def _hold(self) -> None:
        self._reached.set()
        self._opened.wait(_PATIENCE_SECONDS)


def _carry(source: socket.socket, sink: socket.socket) -> None:
    # One side closes: the exchange is over.
    with suppress(OSError):
        while data := source.recv(_PIECE):
            sink.sendall(data)
