"""A training as a process: killed at any moment it goes on to the same curve, and it outlives nobody."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from small_students import ignore, losses, order_of

from services.trainer.folder import read_curve
from services.trainer.local import LocalTrainer
from services.trainer.orders import order_values
from services.trainer.process import ChildTraining, Ending, Launch
from shared.domain.training import TrainingOrder

LAUNCH = Launch(device="cpu", threads=1)
LONG = 200


def eventually(condition: Callable[[], bool], seconds: float = 240.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def group_of(leader: int) -> list[int]:
    """Process ids of the group that still live."""
    found = []
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def killed_after(order: TrainingOrder, folder: Path, step: int) -> Ending:
    """A training whose processes are all killed once it has done that step."""
    child = ChildTraining(order, folder, LAUNCH)
    assert eventually(lambda: bool(read_curve(folder / "progress.jsonl", step - 1))), child_log(folder)
    os.killpg(child.pid, signal.SIGKILL)
    return asyncio.run(child.ended())


def child_log(folder: Path) -> str:
    return (folder / "log").read_text()


@pytest.fixture(scope="module")
def order(pupil: Path, rows: Path) -> TrainingOrder:
    return order_of(pupil, rows, steps=LONG, save_every=3)


@pytest.fixture(scope="module")
def disturbed(order: TrainingOrder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that was killed twice and then left in peace."""
    folder = tmp_path_factory.mktemp("disturbed")
    for step in (5, 20):
        killed_after(order, folder, step)
    assert asyncio.run(ChildTraining(order, folder, LAUNCH).ended()).state == "succeeded", child_log(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(order: TrainingOrder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one that ran at a stretch, on one thread as well."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undisturbed")
    LocalTrainer("cpu").train(order, folder, ignore)
    torch.set_num_threads(before)
    return folder


@pytest.mark.long
def test_a_training_that_is_killed_goes_on_along_the_same_curve(disturbed: Path, undisturbed: Path) -> None:
    curves = [losses(read_curve(folder / "progress.jsonl")) for folder in (disturbed, undisturbed)]
    assert curves[0] == curves[1]


def test_each_step_is_told_once(disturbed: Path) -> None:
    steps = [step.step for step in read_curve(disturbed / "progress.jsonl")]
    assert steps == list(range(1, LONG + 1))


def test_tokens_are_counted_on_over_a_kill(disturbed: Path, undisturbed: Path) -> None:
    counted = [read_curve(folder / "progress.jsonl")[-1].tokens for folder in (disturbed, undisturbed)]
    assert counted[0] == counted[1]


def test_a_kill_changes_no_weight(disturbed: Path, undisturbed: Path) -> None:
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (disturbed, undisturbed)]
    assert weights[0] == weights[1]


def test_a_kill_is_an_answer_with_its_reason(order: TrainingOrder, tmp_path: Path) -> None:
    child = ChildTraining(order, tmp_path, LAUNCH)
    assert eventually(lambda: len(group_of(child.pid)) == 2)
    os.kill(max(group_of(child.pid)), signal.SIGKILL)
    ending = asyncio.run(child.ended())
    assert (ending.state, ending.error[:45]) == ("failed", "the training was killed, as the system does w")


def test_an_error_of_the_training_is_told_as_it_is(pupil: Path, tmp_path: Path) -> None:
    order = order_of(pupil, tmp_path / "none.jsonl")
    ending = asyncio.run(ChildTraining(order, tmp_path / "run", LAUNCH).ended())
    assert (ending.state, "there is no file" in ending.error) == ("failed", True)


def test_a_stop_keeps_a_checkpoint(order: TrainingOrder, tmp_path: Path) -> None:
    child = ChildTraining(order, tmp_path, LAUNCH)
    assert eventually(lambda: bool(read_curve(tmp_path / "progress.jsonl"))), child_log(tmp_path)
    child.stop()
    ending = asyncio.run(child.ended())
    step = read_curve(tmp_path / "progress.jsonl")[-1].step
    assert (ending.state, (tmp_path / f"checkpoints/checkpoint-{step}/whole").is_file()) == ("stopped", True)


SERVICE = """
import sys, time
from pathlib import Path
from services.trainer.orders import order_of
from services.trainer.orders import order_values
from services.trainer.process import ChildTraining, Launch
import json
order = order_of(json.loads(Path(sys.argv[1]).read_bytes()))
print(ChildTraining(order, Path(sys.argv[2]), Launch(device="cpu", threads=1)).pid, flush=True)
time.sleep(600)
"""


def test_nothing_of_a_training_outlives_its_service(order: TrainingOrder, tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(json.dumps(order_values(order)))
    command = [sys.executable, "-c", SERVICE, str(tmp_path / "order.json"), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        leader = int(service.stdout.readline())
        assert eventually(lambda: bool(read_curve(tmp_path / "run" / "progress.jsonl")))
        service.kill()
    assert eventually(lambda: group_of(leader) == [])


@pytest.mark.long
def test_two_processes_learn_what_one_learns(pupil: Path, rows: Path, tmp_path: Path) -> None:
    # As accelerate launches them on GPUs; on a processor the two keep whole weights and share gradients.
    order = order_of(pupil, rows, micro_batch=1)
    two = tmp_path / "two"
    two.mkdir()
    (two / "request.json").write_text(json.dumps({**order_values(order), "device": "cpu", "threads": 1}))
    launched = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    command = [sys.executable, "-m", *launched, "services.trainer.run", str(two)]
    subprocess.run(command, check=True, capture_output=True)
    one = LocalTrainer("cpu").train(order, tmp_path / "one", ignore)
    assert losses(read_curve(two / "progress.jsonl")) == pytest.approx(losses(one.curve), rel=1e-4)


def test_the_shipped_configuration_spreads_a_training_over_as_many_processes_as_are_set_up() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(Launch(processes=4).config))
    assert (config.distributed_type, "4" in Launch(processes=4).command(Path("x"))) == ("FSDP", True)
