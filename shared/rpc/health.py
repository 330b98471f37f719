"""The health check of a container: asks the service in it whether it serves.

``python -m shared.rpc.health [ADDRESS]``: ``grpc://HOST:PORT`` is asked by grpc.health.v1, with the TLS
files that the service is told; ``http://...`` must answer 200. Without an address `IDIOLECT_HEALTH` says it.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from shared.errors import FieldError, IdiolectError

VARIABLE = "IDIOLECT_HEALTH"
_SECONDS = 5.0
# A HealthCheckResponse whose field 1, status, is 1: SERVING.
_SERVING = b"\x08\x01"


def main(arguments: list[str]) -> int:
    """0 where it serves, else 1 with a line that says what is wrong; 2 for an address of no known kind."""
    address = arguments[0] if arguments else os.environ.get(VARIABLE, "")
    try:
        said = look(address)
    except IdiolectError as error:
        print(f"health: {error}", file=sys.stderr)
        return 2
    print(f"health: {address} {said}")
    return 0 if said == "serves" else 1


def look(address: str) -> str:
    """``serves``, or what is wrong. FieldError for an address of no known kind."""
    scheme, separator, place = address.partition("://")
    if separator and scheme == "grpc":
        return _over_grpc(place)
    if separator and scheme == "http":
        return _over_http(address)
    raise FieldError(VARIABLE, f"is {address!r}", "give grpc://HOST:PORT or http://HOST:PORT/PATH")


def _over_http(address: str) -> str:
    try:
        with urlopen(address, timeout=_SECONDS):
            return "serves"
    except (URLError, OSError) as error:
        return f"does not serve ({error})"


def _over_grpc(place: str) -> str:
    """Asked in bytes: a check runs every few seconds, and loading the contract costs more than asking."""
    import grpc

    with _channel(place) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            said = check(b"", timeout=_SECONDS)
        except grpc.RpcError as error:
            return f"does not answer ({error.code().name})"
    return "serves" if said == _SERVING else "does not serve yet"


def _channel(place: str) -> Any:
    import grpc

    if not os.environ.get("IDIOLECT_TLS_CERTIFICATE"):
        return grpc.insecure_channel(place)
    from shared.rpc.channel import Target
    from shared.rpc.settings import ServingSettings, from_environment

    return Target(place, from_environment(ServingSettings).server().tls, name=VARIABLE).sync_channel()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
