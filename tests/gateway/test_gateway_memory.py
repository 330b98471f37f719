"""The gateway as a process: memory stays bounded, and signals end it in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from gateway_asking import NDJSON, jsonl, trajectory

MEBIBYTE = 1 << 20


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx2.Client]]:
    """A gateway in a process of its own, on a store on disk."""
    ready = folder / "ready"
    told = {
        "IDIOLECT_STORE": f"file:{folder / 'store'}",
        "IDIOLECT_GATEWAY_LISTEN": "127.0.0.1:0",
        "IDIOLECT_GATEWAY_READY_FILE": str(ready),
    }
    running = subprocess.Popen([sys.executable, "-m", "services.gateway"], env={**os.environ, **told})
    try:
        pause = threading.Event()
        while not (ready.exists() and ready.read_text()):
            assert running.poll() is None
            pause.wait(0.05)
        with httpx2.Client(base_url=f"http://{ready.read_text()}", timeout=120) as client:
            yield running, client
    finally:
        running.terminate()
        running.wait(30)


class Peak:
    """The most memory that a process held while this was watched, in bytes."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.begin = self.bytes = self._process.memory_info().rss

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.bytes = max(self.bytes, self._process.memory_info().rss)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def lines(size: int) -> Iterator[bytes]:
    """About `size` bytes of JSON Lines."""
    piece = jsonl(trajectory(number) for number in range(1000))
    return (piece for _ in range(size // len(piece)))


def upload_of(size: int) -> Iterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    yield from lines(size)
    yield b"\r\n--b--\r\n"


@pytest.mark.slow
def test_a_large_upload_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with process(tmp_path) as (running, client):
        client.post("/v1/files", content=upload_of(MEBIBYTE), headers=headers)
        with Peak(running.pid) as peak:
            file = client.post("/v1/files", content=upload_of(128 * MEBIBYTE), headers=headers).json()
    assert file["bytes"] > 126 * MEBIBYTE
    assert peak.bytes - peak.begin < 16 * MEBIBYTE


@pytest.mark.slow
def test_a_large_job_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    with process(tmp_path) as (running, client):
        client.post("/v1/refinements?wait=0", content=lines(MEBIBYTE), headers=NDJSON)
        with Peak(running.pid) as peak:
            job = client.post("/v1/refinements?wait=0", content=lines(16 * MEBIBYTE), headers=NDJSON).json()
    assert job["lines"] > 200_000
    assert peak.bytes - peak.begin < 24 * MEBIBYTE


def test_a_download_comes_back_as_it_was_sent(tmp_path: Path) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with process(tmp_path) as (_, client):
        file = client.post("/v1/files", content=upload_of(4 * MEBIBYTE), headers=headers).json()["id"]
        with client.stream("GET", f"/v1/files/{file}/content") as answer:
            assert sum(map(len, answer.iter_bytes())) == sum(map(len, lines(4 * MEBIBYTE)))


def test_it_ends_in_order_when_it_is_asked_to(tmp_path: Path) -> None:
    with process(tmp_path) as (running, _):
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0


def test_what_was_accepted_is_there_after_a_kill(tmp_path: Path) -> None:
    with process(tmp_path) as (running, client):
        job = client.post("/v1/refinements?wait=0", content=lines(MEBIBYTE), headers=NDJSON).json()
        running.kill()
        running.wait()
    (tmp_path / "ready").unlink()
    with process(tmp_path) as (_, client):
        assert client.get(f"/v1/jobs/{job['id']}").json()["lines"] == job["lines"]


def test_a_setting_that_cant_be_used_is_named() -> None:
    told = {**os.environ, "IDIOLECT_STORE": "memory:", "IDIOLECT_GATEWAY_LISTEN": "0.0.0.0:0"}
    ended = subprocess.run(
        [sys.executable, "-m", "services.gateway"], env=told, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, "no key is set" in ended.stderr) == (2, True)


def test_a_new_key_is_told_beside_its_digest() -> None:
    command = [sys.executable, "-m", "services.gateway", "key", "acme"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    key = made.stderr.split()[-1]
    assert key.startswith("idk_")
    assert key not in made.stdout
