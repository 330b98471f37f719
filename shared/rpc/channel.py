"""Channels to services: names resolved by DNS, calls dealt round robin over replicas, connections kept alive.

An address is ``HOST:PORT``, or several of them with commas between (``10.0.0.1:50051,10.0.0.2:50051``), or
a whole gRPC target such as ``dns:///student:50051``. A channel belongs to the process that made it: gRPC does
not survive a fork, so a channel is made anew in each process that asks for one.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass

import grpc
from grpc import aio

from shared.errors import FieldError
from shared.rpc.door import MESSAGE_BYTES
from shared.rpc.server import split_address
from shared.rpc.tls import TlsFiles

RETRIES = 5
# When a server is killed, gRPC's own retries can lose a call with a stream: it never ends, nor fails.
# So these methods have none, and clients try again themselves.
STREAMING = {
    "idiolect.oracle.v1.OracleService": ("Rewrite",),
    "idiolect.student.v1.StudentService": ("BuildProfile", "Continue", "Generate", "Score"),
    "idiolect.trainer.v1.TrainerService": ("WatchTraining",),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a service is, and how to speak to it.

    Attributes:
        address: see the module. tls: files for mutual TLS; None: plain text.
        host: name that the server's certificate must bear, where it is not that of the address.
        name: what the address is called in errors, for example ``--student``.
    """

    address: str
    tls: TlsFiles | None = None
    host: str | None = None
    name: str = "address"

    def check(self) -> None:
        """FieldError where no address of that form can exist; nobody is called."""
        self._uri()

    def sync_channel(self) -> grpc.Channel:
        """A channel for threads."""
        target, options = self._uri(), self._options()
        if self.tls is None:
            return grpc.insecure_channel(target, options)
        return grpc.secure_channel(target, self.tls.for_client(), options)

    def channel(self) -> aio.Channel:
        """A channel for the running event loop."""
        target, options = self._uri(), self._options()
        if self.tls is None:
            return aio.insecure_channel(target, options)
        return aio.secure_channel(target, self.tls.for_client(), options)

    def _uri(self) -> str:
        """The target as gRPC names it."""
        if "://" in self.address or self.address.startswith(("ipv4:", "ipv6:", "unix:")):
            return self.address
        parts = [part.strip() for part in self.address.split(",")]
        hosts = [split_address(part, self.name)[0] for part in parts]
        if len(parts) == 1:
            return f"dns:///{parts[0]}"
        versions = {_version(host) for host in hosts}
        if len(versions) != 1 or None in versions:
            cure = "give numeric addresses of one family, or one name that DNS resolves to all of them"
            raise FieldError(self.name, f"{self.address!r} mixes kinds of hosts", cure)
        return f"ipv{versions.pop()}:{','.join(parts)}"

    def _options(self) -> list[tuple[str, str | int]]:
        options: list[tuple[str, str | int]] = [
            ("grpc.service_config", _SERVICE_CONFIG),
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            # Connections are not shared with other channels of the process, so that each deals its own calls.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_reconnect_backoff_ms", 5_000),
        ]
        if self.host is not None:
            options.append(("grpc.ssl_target_name_override", self.host))
        return options


def _version(host: str) -> int | None:
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None


# What is UNAVAILABLE is tried again; a service that says when (pushback) is asked then.
_SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": RETRIES,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            },
            {"name": [{"service": one, "method": method} for one in STREAMING for method in STREAMING[one]]},
        ],
    }
)
