"""How a service is told to listen, by environment variables ``IDIOLECT_...``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.errors import FieldError
from shared.rpc.server import ServerSettings
from shared.rpc.tls import TlsFiles

Port = Annotated[int, Field(ge=0, le=65535)]
Kind = TypeVar("Kind", bound=BaseSettings)


class ServingSettings(BaseSettings):
    """What every service is told: addresses, certificates, time to drain, and where it keeps its state.

    `port` and `metrics_port` stand in for those of the addresses: a service that starts again is given those
    it had.
    """

    model_config = SettingsConfigDict(env_prefix="IDIOLECT_", env_ignore_empty=True)

    listen: str = "127.0.0.1:0"
    port: Port | None = None
    metrics_port: Port | None = None
    metrics_listen: str | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_authority: Path | None = None
    drain_seconds: float = Field(30.0, ge=0, allow_inf_nan=False)
    connection_age_seconds: float = Field(300.0, gt=0, le=1e6)
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
    prefix = kind.model_config.get("env_prefix", "")
    separator = kind.model_config.get("env_nested_delimiter") or "__"
    try:
        return kind()
    except ValidationError as error:
        first = error.errors()[0]
        name = prefix + separator.join(str(part) for part in first["loc"]).upper()
        raise FieldError(
            name, f"is {first['input']!r}", f"{first['msg'][0].lower()}{first['msg'][1:]}"
        ) from None
    except SettingsError as error:
        named = re.search(r'field "(\w+)"', str(error))
        name = prefix + (named[1].upper() if named else "")
        raise FieldError(name, "is no JSON object", "give one, or its parts one by one") from None
    except FieldError as error:
        # Said by a part that does not know where it stands: only the end of its variable is known.
        name = f"{prefix}...{separator}{error.field.upper()}"
        raise FieldError(name, error.problem, error.cure) from None
