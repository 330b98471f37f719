"""The guide to the API works as it stands: its blocks are run in their order, against a real platform."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
GUIDE = PROJECT / "docs" / "api.md"
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 900
PORTS = ("8080", "50051", "50053")
# What the Python of the guide finds in its environment.
EXPORTED = "export URL KEY PROFILE TRAINING"


def free_port() -> int:
    """One that the system gives to nobody who asks for any, so that no service of the guide takes it."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def script(guide: str) -> str:
    """All blocks as one script that ends at the first command that fails; the ports are free ones."""
    ports = {port: str(free_port()) for port in PORTS}
    parts = ["set -euo pipefail", "set -m", "URL= KEY= PROFILE= TRAINING="]
    for language, code in BLOCK.findall(guide):
        shown = re.sub("|".join(PORTS), lambda found: ports[found.group()], code)
        if language == "python":
            shown = f"{EXPORTED}\n.venv/bin/python - <<'PYTHON'\n{shown}PYTHON\n"
        parts.append(shown)
    return "\n".join(parts)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.fixture
def ran(home: Path) -> Iterator[subprocess.CompletedProcess[str]]:
    """The guide, run; whatever it left behind ends with it."""
    told = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    command = ["bash", "-c", script(GUIDE.read_text(encoding="utf-8"))]
    with (home / "out.log").open("w+") as out:
        shell = subprocess.Popen(
            command, cwd=home, env=told, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = shell.wait(SECONDS)
        finally:
            leave(shell.pid)
        out.seek(0)
        yield subprocess.CompletedProcess(command, code, out.read())


def leave(session: int) -> None:
    """End every process of a session."""
    told = subprocess.run(
        ["ps", "-o", "pid=", "-s", str(session)], capture_output=True, text=True, check=False
    )
    for pid in told.stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            continue


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.long
@pytest.mark.slow
def test_the_guide_works_as_it_stands(home: Path, ran: subprocess.CompletedProcess[str]) -> None:
    assert ran.returncode == 0, ran.stdout[-4000:] + (home / "up.log").read_text()[-4000:]
    records = lines(home / "records.jsonl")
    assert [record["line"] for record in records] == list(range(1, 321))
    outcomes = Counter(str(record["outcome"]) for record in records)
    assert min(outcomes["kept"], outcomes["repaired"]) > 0, outcomes
    assert str(dict(outcomes)).strip("{}").split(", ")[0] in ran.stdout
    assert len(lines(home / "rest.jsonl")) == 220
    assert len(lines(home / "rows.jsonl")) >= outcomes["kept"]
    assert (home / "records.parquet").read_bytes()[:4] == b"PAR1"
    compared = json.loads((home / "compared.json").read_text())
    assert (compared["problems"], compared["k"], compared["a_minus_b"]["n"]) == (40, 2, 40)


def test_every_route_for_a_platform_is_in_the_guide() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    for route in (
        "students",
        "refinements",
        "rollouts",
        "scores",
        "evaluations",
        "trainings",
        "jobs",
        "files",
    ):
        assert f"/v1/{route}" in guide, route
