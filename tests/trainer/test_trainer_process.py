"""``python -m services.trainer`` as a process that is killed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from processes import Process, ended
from small_students import SETTINGS
from waiting import eventually

from shared.clients.trainer import TrainerClient, TrainingRequest
from shared.domain.training import TrainingState
from shared.rpc.channel import Target
from shared.store.local import LocalStore


def variables(pupil: Path, folder: Path) -> dict[str, str]:
    return {
        "IDIOLECT_STATE": str(folder / "state"),
        "IDIOLECT_TRAINER_STORE": f"file:{folder / 'store'}",
        "IDIOLECT_TRAINER_BASES": f"pupil={pupil}",
        "IDIOLECT_TRAINER_DEVICE": "cpu",
        "IDIOLECT_TRAINER_THREADS": "1",
    }


def request(rows: Path, folder: Path) -> TrainingRequest:
    LocalStore(folder / "store").put_if_absent("t/default/files/rows", rows.read_bytes())
    settings = replace(SETTINGS, steps=300, save_every=10)
    digest = hashlib.sha256(rows.read_bytes()).hexdigest()
    return TrainingRequest("graduate", "pupil", "files/rows", digest, settings)


def trainings_alive(folder: Path) -> list[int]:
    """Processes that train below the folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        if "services.trainer.run" in line and str(folder) in line:
            found.append(process.info["pid"])
    return found


def test_a_killed_service_takes_its_training_up_again(pupil: Path, rows: Path, tmp_path: Path) -> None:
    with Process("trainer", tmp_path, **variables(pupil, tmp_path)) as process:
        with TrainerClient(Target(process.address)) as client:
            training = client.start(request(rows, tmp_path)).id
            assert eventually(lambda: client.get(training).step > 15, 240)
        process.kill()
        assert eventually(lambda: trainings_alive(tmp_path) == [], 120)
        process.start()
        with TrainerClient(Target(process.address)) as client:
            told = list(client.watch(training))
    steps = [step.step for _, step in told if step is not None]
    assert (steps, told[-1][0].state) == (list(range(1, 301)), TrainingState.SUCCEEDED)


@pytest.mark.parametrize(
    ("name", "value"),
    [("BASES", "pupil"), ("PROCESSES", "0"), ("STORE", "nowhere:x"), ("LEASE_SECONDS", "-1")],
)
def test_settings_that_can_not_be_used_end_it_with_their_name(tmp_path: Path, name: str, value: str) -> None:
    told = {"IDIOLECT_STATE": str(tmp_path), f"IDIOLECT_TRAINER_{name}": value}
    over = ended("trainer", **told)
    assert (over.returncode, name.lower() in over.stderr.lower()) == (2, True)
