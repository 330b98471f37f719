"""How a service is told to listen, by environment variables ``IDIOLECT_...``."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import FieldError
from shared.rpc.server import ServerSettings
from shared.rpc.tls import TlsFiles

Kind = TypeVar("Kind", bound=BaseSettings)


class ServingSettings(BaseSettings):
    """What every service is told: addresses, certificates, time to drain, and where it keeps its state.

    `port` and `metrics_port` stand in for those of the addresses: a service that starts again is given those
    it had.
    """

    model_config = SettingsConfigDict(env_prefix="IDIOLECT_", env_ignore_empty=True)

    listen: str = "127.0.0.1:0"
    port: int | None = None
    metrics_port: int | None = None
    metrics_listen: str | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_authority: Path | None = None
    drain_seconds: float = 30.0
    connection_age_seconds: float = 300.0
    ready_file: Path | None = None
    state: Path = Path("out/state")

    def server(self) -> ServerSettings:
        """The same for the server."""
        return ServerSettings(
            listen=_at_port(self.listen, self.port),
            metrics_listen=self.metrics_listen and _at_port(self.metrics_listen, self.metrics_port),
            tls=TlsFiles.of(self.tls_certificate, self.tls_key, self.tls_authority),
            drain_seconds=self.drain_seconds,
            connection_age_seconds=self.connection_age_seconds,
            ready_file=self.ready_file,
        )


def _at_port(address: str, port: int | None) -> str:
    return address if port is None else f"{address.rpartition(':')[0]}:{port}"


def from_environment(kind: type[Kind]) -> Kind:
    """Settings of that kind. FieldError naming the variable that can't be used."""
    try:
        return kind()
    except ValidationError as error:
        first = error.errors()[0]
        prefix = kind.model_config.get("env_prefix", "")
        separator = kind.model_config.get("env_nested_delimiter") or "__"
        name = prefix + separator.join(str(part) for part in first["loc"]).upper()
        raise FieldError(
            name, f"is {first['input']!r}", f"{first['msg'][0].lower()}{first['msg'][1:]}"
        ) from None
