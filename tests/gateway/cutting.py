"""A way to the gateway on which answers break off."""

from __future__ import annotations

import socket
import threading
from types import TracebackType


class CuttingWay:
    """Passes connections on to `address`, and cuts the first `cuts` of them after `size` bytes of answer."""

    def __init__(self, address: str, cuts: int, size: int) -> None:
        host, _, port = address.rpartition(":")
        self._to = (host, int(port))
        self._left = cuts
        self._size = size
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    @property
    def spent(self) -> bool:
        """Whether every cut was made."""
        return self._left == 0

    def __enter__(self) -> CuttingWay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            size = self._size if self._left else None
            self._left = max(0, self._left - 1)
            server = socket.create_connection(self._to)
            threading.Thread(target=_pass_on, args=(client, server, None), daemon=True).start()
            threading.Thread(target=_pass_on, args=(server, client, size), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, size: int | None) -> None:
    """Bytes until one side ends, or `size` of them came."""
    try:
        while (size is None or size > 0) and (data := source.recv(65536 if size is None else size)):
            target.sendall(data)
            size = None if size is None else size - len(data)
    except OSError:
        return
    finally:
        for end in (source, target):
            _end(end)


def _end(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
