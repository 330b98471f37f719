"""A real S3 server with one bucket, for processes that find it by their environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.store import Store, open_store

SERVER = Path(__file__).parents[1] / "store" / "s3_server.py"
BUCKET = "data"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the server listens, and its one bucket."""

    port: int
    store: Store

    def unfinished(self) -> int:
        """Uploads that were begun and neither completed nor given up."""
        return len(_client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()))


@contextmanager
def served() -> Iterator[Bucket]:
    """The server, as this process and all that it starts find it."""
    server = subprocess.Popen(
        [sys.executable, str(SERVER)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ
    )
    assert server.stdout
    port = int(server.stdout.readline())
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "any")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        _client().create_bucket(Bucket=BUCKET)
        yield Bucket(port, open_store(f"s3://{BUCKET}"))
    server.kill()
    server.wait()
    server.stdout.close()


def _client() -> Any:
    from botocore.session import get_session

    return get_session().create_client("s3")
