"""``python -m services.gateway``: the gateway; ``python -m services.gateway key TENANT``: a new key."""

from __future__ import annotations

import json
import sys

from services.gateway.app import build
from services.gateway.auth import digest_of_key, new_key
from services.gateway.serving import GatewayServer
from services.gateway.settings import GatewaySettings
from shared.errors import IdiolectError
from shared.logs import log_to_stderr
from shared.rpc.settings import from_environment
from shared.trace_export import exporting


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM; 2 where the settings can't be used."""
    if arguments[:1] == ["key"] and len(arguments) == 2:
        return _make_key(arguments[1])
    if arguments:
        print("gateway: takes no arguments, or: key TENANT", file=sys.stderr)
        return 2
    log_to_stderr()
    try:
        settings = from_environment(GatewaySettings)
        server = GatewayServer(build(settings), settings)
        with exporting("gateway"):
            server.run(sockets=[server.listen()])
    except IdiolectError as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 2
    return 0


def _make_key(tenant: str) -> int:
    """A new key on stderr, which is stored nowhere, and its line for the key file on stdout."""
    key = new_key()
    print(f"key, shown this once: {key}", file=sys.stderr)
    print(json.dumps({"tenant": tenant, "sha256": digest_of_key(key)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
