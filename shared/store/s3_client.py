"""The connection to an S3 server: time-outs, and failures in this project's words."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from shared.errors import UnavailableError


@dataclass(frozen=True)
class S3Limits:
    """How long a server is waited for: seconds to connect, seconds without a byte, requests in all."""

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    attempts: int = 3


class S3RefusedError(Exception):
    """The server answered that it will not; stays inside the store.

    Attributes:
        status: HTTP status. code: the server's word for it. repeated: whether it was asked more than once.
    """

    def __init__(self, status: int, code: str, repeated: bool, message: str) -> None:
        super().__init__(status, code, repeated, message)
        self.status, self.code, self.repeated, self.message = status, code, repeated, message

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"


class S3Client:
    """One client a process, made when first needed: a fork must not share its parent's connections.

    Endpoint, region, credentials and checksums come from the environment as for every AWS tool
    (``AWS_ENDPOINT_URL_S3``, ``AWS_DEFAULT_REGION``, ``AWS_ACCESS_KEY_ID``, profiles, roles, ...).
    """

    def __init__(self, limits: S3Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._process = 0
        self._client: Any = None

    def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one operation.

        S3RefusedError where the server refuses. UnavailableError where it can't be reached, doesn't answer in
        time, fails, or can't be used by us at all.
        """
        client = self._of_this_process()
        with failures(str(arguments.get("Bucket", ""))):
            answer: dict[str, Any] = getattr(client, operation)(**arguments)
            return answer

    def endpoint(self) -> str:
        """The address of the server, for people."""
        return str(self._of_this_process().meta.endpoint_url)

    def _of_this_process(self) -> Any:
        with self._lock:
            if self._process != os.getpid():
                self._process, self._client = os.getpid(), _client(self.limits)
            return self._client


@contextmanager
def failures(bucket: str) -> Iterator[None]:
    """Says what a failed request means."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(error, bucket) from error
    except BotoCoreError as error:
        raise UnavailableError(f"the bucket {bucket} can't be reached: {error}") from error


def _refused(error: Any, bucket: str) -> Exception:
    """A refusal that the store can act on, or that the bucket can't be used."""
    said, sent = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    status, code = int(sent.get("HTTPStatusCode", 0)), str(said.get("Code", ""))
    refusal = S3RefusedError(status, code, sent.get("RetryAttempts", 0) > 0, str(said.get("Message", "")))
    if code == "NoSuchBucket" or status in (401, 403) or status >= 500 or status < 400:
        return UnavailableError(f"the bucket {bucket} can't be used: {refusal}")
    return refusal


def _client(limits: S3Limits) -> Any:
    try:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
        from botocore.session import get_session
    except ModuleNotFoundError as error:
        raise UnavailableError("s3:// needs botocore; install idiolect[s3]") from error
    session = get_session()
    session.register_component("data_loader", _service_models())
    region = session.get_config_variable("region") or os.environ.get("AWS_REGION") or "us-east-1"
    config = Config(
        connect_timeout=limits.connect_seconds,
        read_timeout=limits.read_seconds,
        retries={"mode": "standard", "total_max_attempts": limits.attempts},
        region_name=region,
        user_agent_appid="idiolect",
    )
    try:
        return session.create_client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise UnavailableError(f"no client for S3 can be made: {error}") from error


@cache
def _service_models() -> Any:
    """The description of S3, which takes most of the time to make a client, read once."""
    from botocore.loaders import create_loader

    return create_loader()
