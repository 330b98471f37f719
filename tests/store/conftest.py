"""The three kinds of store, S3 on a real server on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.store import Store, open_store

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

BUCKET = "artifacts"
IDENTITY = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """The port of an S3 server with one bucket."""
    command = [sys.executable, str(HERE / "s3_server.py")]
    # Pages are small, so that every listing has several.
    settings = {**os.environ, "MOTO_S3_DEFAULT_MAX_KEYS": "20"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=settings)
    assert server.stdout
    port = int(server.stdout.readline())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in IDENTITY.items():
            patch.setenv(name, value)
        make_bucket(port)
        yield port
    server.kill()
    server.wait()
    server.stdout.close()


def make_bucket(port: int) -> None:
    from botocore.session import get_session

    client = get_session().create_client("s3", endpoint_url=f"http://127.0.0.1:{port}")
    client.create_bucket(Bucket=BUCKET)


@pytest.fixture
def s3_url(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place in S3."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{s3_port}")
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place that several processes can share."""
    if request.param == "s3":
        return str(request.getfixturevalue("s3_url"))
    return f"file:{tmp_path}/store"


@pytest.fixture(params=["file", "s3", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "s3":
        return open_store(str(request.getfixturevalue("s3_url")))
    return open_store("memory:" if request.param == "memory" else f"file:{tmp_path}/store")


@pytest.fixture
def child_environment(s3_port: int) -> dict[str, str]:
    """What a child process needs to find our code and the server."""
    return {
        **os.environ,
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{s3_port}",
        "PYTHONPATH": str(HERE.parents[1]),
    }
