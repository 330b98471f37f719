"""How the gateway is set up, by variables ``IDIOLECT_GATEWAY_...`` and those that all share."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.rpc.channel import Target
from shared.rpc.server import split_address
from shared.rpc.settings import Port
from shared.rpc.tls import TlsFiles


class GatewaySettings(BaseSettings):
    """Settings of the gateway.

    Attributes:
        listen: ``HOST:PORT``; beyond loopback only with keys. keys: ``TENANT:SHA256`` with commas between.
        key_file: JSON Lines, one key a line (`services.gateway.auth`).
        store, redis, student, oracle, trainer: addresses; all but the first may be missing.
        requests_per_minute: of one tenant, where its key names no other; of this process.
        json_bytes, upload_bytes: longest body of a question and of an upload, after decoding.
        in_place: most items that are answered in place. wait_seconds: longest wait for them.
        claim_patience_seconds: longest wait for another request with the same Idempotency-Key.
        body_grace_seconds, body_bytes_per_second: a client may take the first and size over the second.
        header_seconds: until the head of a request must be there.
        uploads: bodies that are taken in at the same time. sweep_seconds: between looks at open batches.
        webhook_private: let webhooks go to private addresses, and there over plain http too.
        collect_seconds: between looks for files to delete. orphan_seconds: for which content without a name
            must have been seen to be deleted.
        stop_seconds: how long running requests may go on after SIGTERM.
        ready_file: is given the address once the gateway listens. port: stands in for that of `listen`.
        tls_certificate, tls_key, tls_authority: files for mutual TLS with student, oracle and trainer.
    """

    model_config = SettingsConfigDict(
        env_prefix="IDIOLECT_GATEWAY_", env_ignore_empty=True, populate_by_name=True
    )

    listen: str = "127.0.0.1:8080"
    keys: str = ""
    key_file: Path | None = None
    store: str = Field("file:out/store", validation_alias=AliasChoices("IDIOLECT_STORE"))
    redis: str | None = Field(None, validation_alias=AliasChoices("IDIOLECT_REDIS_ADDRESS", "IDIOLECT_REDIS"))
    student: str | None = Field(
        None, validation_alias=AliasChoices("IDIOLECT_STUDENT_ADDRESS", "IDIOLECT_STUDENT")
    )
    oracle: str | None = Field(
        None, validation_alias=AliasChoices("IDIOLECT_ORACLE_ADDRESS", "IDIOLECT_ORACLE")
    )
    trainer: str | None = Field(
        None, validation_alias=AliasChoices("IDIOLECT_TRAINER_ADDRESS", "IDIOLECT_TRAINER")
    )
    requests_per_minute: int = Field(6000, ge=1)
    json_bytes: int = Field(16 << 20, ge=1)
    upload_bytes: int = Field(16 << 30, ge=1)
    in_place: int = Field(16, ge=1)
    wait_seconds: float = Field(120.0, ge=0)
    claim_patience_seconds: float = Field(120.0, ge=0)
    body_grace_seconds: float = Field(20.0, gt=0)
    body_bytes_per_second: float = Field(4096.0, gt=0)
    header_seconds: float = Field(10.0, gt=0)
    uploads: int = Field(32, ge=1)
    sweep_seconds: float = Field(2.0, gt=0)
    webhook_private: bool = Field(False, validation_alias=AliasChoices("IDIOLECT_WEBHOOK_PRIVATE"))
    collect_seconds: float = Field(3600.0, gt=0)
    orphan_seconds: float = Field(86_400.0, gt=0)
    stop_seconds: int = Field(30, ge=0)
    ready_file: Path | None = Field(
        None, validation_alias=AliasChoices("IDIOLECT_GATEWAY_READY_FILE", "IDIOLECT_READY_FILE")
    )
    port: Port | None = Field(None, validation_alias=AliasChoices("IDIOLECT_PORT"))
    tls_certificate: Path | None = Field(None, validation_alias=AliasChoices("IDIOLECT_TLS_CERTIFICATE"))
    tls_key: Path | None = Field(None, validation_alias=AliasChoices("IDIOLECT_TLS_KEY"))
    tls_authority: Path | None = Field(None, validation_alias=AliasChoices("IDIOLECT_TLS_AUTHORITY"))

    @property
    def redis_url(self) -> str | None:
        """Address of Redis with its scheme; None without one."""
        if self.redis is None or "://" in self.redis:
            return self.redis
        return f"redis://{self.redis}/0"

    def target(self, address: str, name: str) -> Target:
        """How to reach a service, which is called `name` in errors."""
        tls = TlsFiles.of(self.tls_certificate, self.tls_key, self.tls_authority)
        return Target(address, tls, name=name)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on. FieldError where `listen` is no address."""
        host, port = split_address(self.listen, "IDIOLECT_GATEWAY_LISTEN")
        return host.strip("[]"), port if self.port is None else self.port

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the gateway."""
        host, _ = self.address
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"
