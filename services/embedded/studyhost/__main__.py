"""``python -m services.embedded.studyhost``: the host of studies."""

from __future__ import annotations

import signal
import sys

from prometheus_client import start_http_server

from services.embedded.studyhost.child import Launch
from services.embedded.studyhost.host import Host
from services.embedded.studyhost.settings import StudyHostSettings
from shared.errors import FieldError, IdiolectError
from shared.logs import log_to_stderr
from shared.ready import publish
from shared.rpc.server import split_address
from shared.rpc.settings import from_environment
from shared.store import open_store, prove


def main() -> int:
    """Run studies until SIGTERM; 2 where the settings or the store can't be used."""
    log_to_stderr()
    try:
        settings = from_environment(StudyHostSettings)
        store = open_store(settings.store)
        prove(store)
        launch = Launch(settings.models, settings.processes, settings.threads)
        host = Host(store, settings.state.resolve() / "studies", launch, settings.look_seconds)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: host.stop())
        publish(_metrics(settings), settings.ready_file)
        host.run()
    except IdiolectError as error:
        print(f"studyhost: {error}", file=sys.stderr)
        return 2
    return 0


def _metrics(settings: StudyHostSettings) -> str:
    """Where ``/metrics`` is served."""
    host, port = split_address(settings.metrics_listen, "IDIOLECT_METRICS_LISTEN")
    try:
        server, _ = start_http_server(settings.port or port, host)
    except OSError as error:
        problem = f"{settings.metrics_listen} can't be listened on ({error.strerror})"
        raise FieldError("IDIOLECT_METRICS_LISTEN", problem, "give a free HOST:PORT") from None
    return f"{host}:{server.server_port}"


if __name__ == "__main__":
    sys.exit(main())
