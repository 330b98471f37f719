"""Starts servers of other projects for the tests, and ends them with everything that they started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path, within: float, **env: str) -> Iterator[str]:
    """Address of a server once its ``/health`` answers; skips nothing, fails with the end of its log."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **env},
            start_new_session=True,
        )
    try:
        _await_health(process, port, log, within)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        _end(process)


def made_servable(folder: Path, target: Path) -> Path:
    """The model folder as servers want it: its architecture named, and sampling switched on."""
    for file in folder.iterdir():
        (target / file.name).symlink_to(file)
    _rewrite(target / "config.json", {"architectures": ["LlamaForCausalLM"]})
    _rewrite(target / "generation_config.json", {"do_sample": True})
    return target


def _rewrite(file: Path, changes: dict[str, object]) -> None:
    content = json.loads(file.read_text("utf-8"))
    file.unlink()
    file.write_text(json.dumps({**content, **changes}), "utf-8")


def _await_health(process: subprocess.Popen[bytes], port: int, log: Path, within: float) -> None:
    limit = time.monotonic() + within
    while process.poll() is None and time.monotonic() < limit:
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        time.sleep(0.1)
    pytest.fail(f"the server didn't start:\n{log.read_text('utf-8', 'replace')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """First politely, since a server ends its own children; then the whole group, whatever is left."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
