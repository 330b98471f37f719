"""A receiver of webhooks that listens on loopback."""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class Receiver:
    """Keeps what it is told; answers with `statuses` in turn, the last one for ever. A context manager.

    `held`: nobody is answered before `release`.
    """

    def __init__(self, *statuses: int, held: bool = False) -> None:
        self._answering = answering = threading.Event()
        if not held:
            self.release()
        self.told: list[tuple[dict[str, str], bytes]] = []
        left = list(statuses or (204,))
        told = self.told

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                told.append(
                    ({name.lower(): value for name, value in self.headers.items()}, self.rfile.read(length))
                )
                answering.wait()
                # Whoever asked may be gone by now.
                with suppress(OSError):
                    self.send_response(left.pop(0) if len(left) > 1 else left[0])
                    self.send_header("Location", "/elsewhere")
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def release(self) -> None:
        """Answer all who wait, and all who come."""
        self._answering.set()

    def __enter__(self) -> Receiver:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
