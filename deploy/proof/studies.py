"""A study over HTTP: its host dies on the way, and comes to what the same study comes to here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx2

from deploy.proof.engine import ROOT, Containers, eventually
from services.embedded.studyhost.run import ORDER
from services.gateway.study_schemas import CONFIG
from shared.clients.platform import PlatformClient

SERVICE = "studies"
TABLE = "table.md"
PATIENCE_SECONDS = 900.0


def here(folder: Path) -> str:
    """The table of the study, run by this process's own tree."""
    folder.mkdir()
    told = {"config": CONFIG, "files": {}, "models": {}, "processes": 2, "threads": 1}
    (folder / ORDER).write_text(json.dumps(told), encoding="utf-8")
    command = [sys.executable, "-m", "services.embedded.studyhost.run", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as study:
        # It ends when its stdin does, so that stays open.
        if study.wait(PATIENCE_SECONDS):
            raise RuntimeError(f"the study ended with {study.returncode} here")
    return (folder / "study" / TABLE).read_text(encoding="utf-8")


def in_a_container(containers: Containers, client: PlatformClient, door: httpx2.Client) -> str:
    """The table of a study that the gateway took in, whose host was killed after a first piece of work."""
    containers.compose("up", "-d", "--no-build", "--no-deps", "--wait", SERVICE)
    study = str(client.begin_study(CONFIG)["id"])
    eventually(
        lambda: any(stage["done"] for stage in client.study(study)["stages"]), "a piece", PATIENCE_SECONDS
    )
    assert client.study(study)["status"] == "running", "the study ended before its host was killed"
    before = containers.restarts(SERVICE)
    containers.kill_main_process(SERVICE)
    eventually(lambda: containers.restarts(SERVICE) > before, "the host of studies again", PATIENCE_SECONDS)
    eventually(lambda: client.study(study)["ended_at"] is not None, "the end of the study", PATIENCE_SECONDS)
    ended = client.study(study)
    assert ended["status"] == "completed", f"the study ended {ended['status']}: {ended['error']}"
    table = door.get(f"/v1/studies/{study}/results/{TABLE}")
    assert table.status_code == 200, table.text
    containers.compose("rm", "--stop", "--force", SERVICE)
    return table.text
