"""Servers that misbehave, on real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

CONFLICT = (
    b"HTTP/1.1 409 Conflict\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n"
    b"<Error><Code>ConditionalRequestConflict</Code><Message>at the same time</Message></Error>"
)


class Proxy:
    """Stands before a server that closes after each answer, and spoils some answers.

    Args:
        target: port of the server. method: which requests are spoilt, by what the first line begins with.
        faults: what happens to them, one after the other, all others pass: ``lose`` (done, but the answer is
            lost), ``drop`` (never reaches the server), ``conflict`` (409 instead), ``halve`` (breaks off in
            the middle of the answer).
    """

    def __init__(self, target: int, method: bytes, faults: Sequence[str]) -> None:
        self._target, self._method, self._faults = target, method, list(faults)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._exchange, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Stop; a thread that waits for a client is woken."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def left(self) -> int:
        """Faults that haven't happened yet."""
        return len(self._faults)

    def _exchange(self, client: socket.socket) -> None:
        with client, ending(client):
            head = client.recv(65536)
            fault = self._faults.pop(0) if head.startswith(self._method) and self._faults else ""
            if fault == "conflict":
                client.sendall(CONFLICT)
            if fault in ("conflict", "drop"):
                return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                server.sendall(head)
                threading.Thread(target=_copy, args=(client, server), daemon=True).start()
                answer = b"".join(iter(lambda: server.recv(65536), b""))
            if fault != "lose":
                client.sendall(answer[: len(answer) // 2] if fault == "halve" else answer)


@contextmanager
def ending(client: socket.socket) -> Iterator[None]:
    """Tells the client at the end; closing alone doesn't while another thread still reads."""
    yield
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        # One side has closed: the exchange is over.
        return


@contextmanager
def proxied(target: int, method: bytes, *faults: str) -> Iterator[Proxy]:
    """A proxy that runs."""
    proxy = Proxy(target, method, faults)
    with running(proxy.serve):
        yield proxy
        proxy.close()


@contextmanager
def running(serve: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    thread.join(10)


@contextmanager
def never_answering() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])
