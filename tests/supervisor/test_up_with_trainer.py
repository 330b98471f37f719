"""`idiolect up --trainer` as a user has it: trainings over HTTP, a student that follows, nothing left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from houses import PATIENCE_SECONDS, eventually, living

sys.path.append(str(Path(__file__).parents[1] / "trainer"))

from small_students import SETTINGS, make_student, write_rows

from services.embedded.serving import ServiceSettings, TrainerSettings, own_base, specs
from shared.clients.platform import PlatformClient
from shared.clients.student import StudentClient
from shared.clients.trainer import TrainerClient
from shared.domain.training import TrainingState
from shared.errors import UnavailableError
from shared.rpc.channel import Target

ROOT = Path(__file__).parents[2]
LONG = 100_000


@dataclass
class Up:
    """The running command, and what its line of JSON said."""

    process: subprocess.Popen[bytes]
    group: int
    services: dict[str, dict[str, str]]
    state: Path

    @property
    def url(self) -> str:
        return f"http://{self.services['gateway']['address']}"

    def target(self, name: str) -> Target:
        return Target(self.services[name]["address"])

    def training_processes(self) -> list[int]:
        """Processes below the folder of the services' state."""
        lines = {one.pid: one.info["cmdline"] or () for one in psutil.process_iter(["cmdline"])}
        return [pid for pid, line in lines.items() if str(self.state / "trainings") in " ".join(line)]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """The whole platform with a small student and a trainer for it."""
    model, state = make_student(tmp_path / "pupil"), tmp_path / "state"
    student = ["--student-engine", "transformers", "--model", str(model), "--oracle-engine", "rules"]
    options = [*student, "--trainer", "--gateway-port", "0", "--concurrency", "1", "--state", str(state)]
    command = [sys.executable, "-m", "services.embedded.cli", "up", *options, "--json"]
    told = {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "IDIOLECT_TRAINER_DEVICE": "cpu",
        "IDIOLECT_TRAINER_LEASE_SECONDS": "5",
        "IDIOLECT_STUDENT_DEVICE": "cpu",
        "IDIOLECT_STUDENT_FOLLOW_SECONDS": "0.2",
    }
    process = subprocess.Popen(
        command, env={**os.environ, **told}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline())
        yield Up(process, said["group"], said["services"], state)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        process.stdout.close()


def serves(up: Up, digest: str | None) -> bool:
    with StudentClient(up.target("student")) as student:
        try:
            return student.info.digest == digest
        except UnavailableError:
            return False


@pytest.mark.slow
def test_what_was_trained_over_http_is_served_once_somebody_says_so(up: Up, rows: Path) -> None:
    with PlatformClient(up.url) as platform:
        *_, (ended, _) = platform.watch_training(platform.train(rows, "graduate", "student", SETTINGS).id)
    assert ended.digest is not None, ended.error
    with TrainerClient(up.target("trainer"), "local") as trainer:
        trainer.serve(ended.name, ended.digest)
    assert eventually(lambda: serves(up, ended.digest))


@pytest.mark.long
@pytest.mark.slow
def test_kill_9_leaves_no_training(up: Up, rows: Path) -> None:
    with PlatformClient(up.url) as platform:
        begun = platform.train(rows, "graduate", "student", replace(SETTINGS, steps=LONG))
        next(platform.watch_training(begun.id))
        assert up.training_processes() != []
    up.process.kill()
    assert eventually(lambda: [*living(up.group), *up.training_processes()] == [])


@pytest.mark.long
@pytest.mark.slow
def test_a_training_goes_on_when_the_services_come_back(up: Up, rows: Path) -> None:
    with PlatformClient(up.url) as platform:
        begun = platform.train(rows, "graduate", "student", replace(SETTINGS, steps=LONG))
        next(platform.watch_training(begun.id))
        psutil.Process(int(up.services["trainer"]["pid"])).kill()
        standing, step = next(platform.watch_training(begun.id, after=50))
        platform.cancel_training(begun.id)
    assert (standing.state, step is not None and step.step > 50) == (TrainingState.RUNNING, True)


def test_without_a_trainer_the_student_follows_nobody() -> None:
    student, *_ = specs(ServiceSettings("scripted"), ServiceSettings("rules"))
    assert "IDIOLECT_STUDENT_STORE" not in student.environment


def test_the_trainer_works_on_the_store_of_the_jobs(tmp_path: Path) -> None:
    found = specs(ServiceSettings("x"), ServiceSettings("y"), tmp_path, trainer=TrainerSettings("a=b", 5003))
    student, _, trainer = found
    store = f"file:{tmp_path / 'store'}"
    assert (student.environment["IDIOLECT_STUDENT_STORE"], trainer.environment) == (
        store,
        {
            "IDIOLECT_STORE": store,
            "IDIOLECT_LISTEN": "127.0.0.1:5003",
            "IDIOLECT_METRICS_LISTEN": "127.0.0.1:0",
            "IDIOLECT_STATE": str(tmp_path),
            "IDIOLECT_TRAINER_BASES": "a=b",
        },
    )


@pytest.mark.parametrize(("model", "bases"), [("out/pupil", "student=out/pupil"), (None, None)])
def test_the_student_itself_may_be_trained_where_nobody_says_otherwise(
    model: str | None, bases: str | None
) -> None:
    assert own_base(model) == bases
