"""Mutual TLS, from three files in PEM: the own certificate, its key, and the authority of the other side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from shared.errors import FieldError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificate, key and authority stand."""

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def of(cls, certificate: Path | None, key: Path | None, authority: Path | None) -> TlsFiles | None:
        """From three settings, all or none given. FieldError where one is missing."""
        if certificate is not None and key is not None and authority is not None:
            return cls(certificate, key, authority)
        given = {"tls_certificate": certificate, "tls_key": key, "tls_authority": authority}
        if any(given.values()):
            missing = next(name for name, value in given.items() if value is None)
            raise FieldError(missing, "is missing", "give certificate, key and authority, or none of them")
        return None

    def for_server(self) -> grpc.ServerCredentials:
        """Credentials that admit only clients with a certificate of the authority."""
        pair = (_read(self.key, "tls_key"), _read(self.certificate, "tls_certificate"))
        authority = _read(self.authority, "tls_authority")
        return grpc.ssl_server_credentials([pair], authority, require_client_auth=True)

    def for_client(self) -> grpc.ChannelCredentials:
        """Credentials that trust only servers with a certificate of the authority."""
        return grpc.ssl_channel_credentials(
            _read(self.authority, "tls_authority"),
            _read(self.key, "tls_key"),
            _read(self.certificate, "tls_certificate"),
        )


def _read(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problem = f"{path} can't be read ({error.strerror})"
        raise FieldError(field, problem, "name a PEM file that this process may read") from None
