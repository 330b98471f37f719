"""How a host of workers is set up, by environment variables ``IDIOLECT_...``."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.pipeline.work.engines import EngineTargets
from shared.rpc.channel import Target
from shared.rpc.tls import TlsFiles
from shared.tenants import KEY_FILE


class PipelineSettings(BaseSettings):
    """Settings of the pipeline.

    Attributes:
        redis: address of the Redis server. store: address of the artifact store.
        student, oracle: addresses of the services, as `shared.rpc.channel` reads them.
        pipeline_concurrency: shards that are worked at once on this host, each in a process of its own.
        pipeline_interactive: processes that are reserved for requests whose sender waits.
        pipeline_in_flight: most lines of one shard in flight.
        pipeline_patience: seconds for which a line waits for a service that is gone.
        pipeline_stall: seconds without anything moving after which a job is told to stand still.
        drain_file: once it is there, workers give their shards back; a host tells its workers which.
        pipeline_reconcile: seconds after which the store is looked through without a nudge.
        key_file: the gateway's; says how webhooks are signed and how long a tenant's jobs are kept.
        pipeline_collect: seconds between looks for what is to be deleted.
        pipeline_orphan: seconds for which what nobody accepted must not have grown to be deleted.
        webhook_private: let webhooks go to private addresses, and there over plain http too.
    """

    model_config = SettingsConfigDict(env_prefix="IDIOLECT_", env_ignore_empty=True, populate_by_name=True)

    redis: str = Field(
        "redis://127.0.0.1:6379/0", validation_alias=AliasChoices("IDIOLECT_REDIS_ADDRESS", "IDIOLECT_REDIS")
    )
    store: str = "file:out/store"
    student: str = Field(
        "127.0.0.1:50051", validation_alias=AliasChoices("IDIOLECT_STUDENT_ADDRESS", "IDIOLECT_STUDENT")
    )
    oracle: str = Field(
        "127.0.0.1:50052", validation_alias=AliasChoices("IDIOLECT_ORACLE_ADDRESS", "IDIOLECT_ORACLE")
    )
    pipeline_concurrency: int = Field(2, ge=1)
    pipeline_interactive: int = Field(1, ge=0)
    pipeline_in_flight: int = Field(32, ge=1)
    pipeline_patience: float = Field(60.0, ge=0)
    pipeline_reconcile: float = Field(10.0, gt=0)
    pipeline_stall: float = Field(60.0, gt=0)
    pipeline_collect: float = Field(3600.0, gt=0)
    pipeline_orphan: float = Field(86_400.0, gt=0)
    key_file: Path | None = Field(None, validation_alias=AliasChoices(KEY_FILE))
    webhook_private: bool = False
    metrics_listen: str = "127.0.0.1:0"
    port: int | None = None
    ready_file: Path | None = None
    drain_file: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_authority: Path | None = None

    @property
    def redis_url(self) -> str:
        """The address with its scheme."""
        return self.redis if "://" in self.redis else f"redis://{self.redis}/0"

    def draining(self) -> bool:
        """Whether the host of this worker comes to its end."""
        return self.drain_file is not None and self.drain_file.exists()

    def targets(self) -> EngineTargets:
        """Where the services are."""
        tls = TlsFiles.of(self.tls_certificate, self.tls_key, self.tls_authority)
        return EngineTargets(
            Target(self.student, tls, name="IDIOLECT_STUDENT"),
            Target(self.oracle, tls, name="IDIOLECT_ORACLE"),
        )
