"""Trainings over two nodes, which are two launches of accelerate on this machine with gloo over loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from processes import ROOT, ended, environment, free_port
from small_students import losses, order_of
from waiting import eventually

from services.trainer.folder import read_curve
from services.trainer.nodes import Pulse
from services.trainer.orders import order_values
from services.trainer.process import CPU, ChildTraining, Ending, Launch
from services.trainer.together import Patience, SharedTraining
from shared.domain.training import TrainingOrder

REAL = pytest.mark.skipif(
    os.environ.get("IDIOLECT_TEST_NODES") != "1", reason="minutes, on a quiet machine: make test-nodes"
)
STEPS = 40
LONG = 3000
# From a kill to the answer, and to the end of the last process: silence, the graces, and a slow machine.
LIMIT_SECONDS = 120.0
BEGIN_SECONDS = 300.0
PATIENCE = Patience(join=300.0, silence=30.0)


def one_node(processes: int) -> Launch:
    return Launch(processes, CPU, "cpu", threads=1)


@pytest.fixture(scope="module")
def launch() -> Launch:
    """How node 0 of two starts its one process."""
    return replace(one_node(1), nodes=2, rendezvous=f"127.0.0.1:{free_port(['127.0.0.1'])}")


@pytest.fixture(scope="module")
def order(pupil: Path, rows: Path) -> TrainingOrder:
    return order_of(pupil, rows, micro_batch=1, steps=STEPS, save_every=5)


def variables(state: Path, launch: Launch) -> dict[str, str]:
    return {
        "IDIOLECT_STATE": str(state),
        "IDIOLECT_TRAINER_NODES": "2",
        "IDIOLECT_TRAINER_RANK": "1",
        "IDIOLECT_TRAINER_RENDEZVOUS": launch.rendezvous,
        "IDIOLECT_TRAINER_DEVICE": "cpu",
        "IDIOLECT_TRAINER_THREADS": "1",
        "IDIOLECT_TRAINER_SILENCE_SECONDS": "30",
    }


@contextmanager
def second_node(state: Path, launch: Launch) -> Iterator[subprocess.Popen[bytes]]:
    """``services.trainer.node`` as rank 1, ended at last as a host ends it."""
    command = [sys.executable, "-m", "services.trainer.node"]
    with (state / "node.log").open("ab") as log:
        node = subprocess.Popen(command, env=environment(**variables(state, launch)), stderr=log)
    try:
        yield node
    finally:
        node.terminate()
        node.wait(60)


def workers(state: Path) -> dict[int, int]:
    """Process id of each process that trains below the folder, by rank."""
    found = {}
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        line = process.info["cmdline"] or []
        if "services.trainer.run" in line and str(state) in line[-1] and "accelerate" not in " ".join(line):
            try:
                found[int(process.environ().get("RANK", "-1"))] = process.info["pid"]
            except psutil.Error:
                continue
    return found


def remains(state: Path) -> list[str]:
    """Command lines of whatever still works on the folder: launchers, guards and workers."""
    lines = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return [" ".join(line) for line in lines if "services.trainer.run" in line and str(state) in line[-1]]


def steps_done(folder: Path) -> int:
    return len(read_curve(folder / "progress.jsonl"))


def logs(folder: Path) -> str:
    return "\n".join(file.read_text()[-3000:] for file in folder.glob("log*"))


@pytest.fixture(scope="module")
def alone(order: TrainingOrder, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The curve of one node with two processes."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    assert asyncio.run(ChildTraining(order, folder, one_node(2)).ended()).state == "succeeded", logs(folder)
    return losses(read_curve(folder / "progress.jsonl"))


SERVICE = """
import asyncio, json, sys
from pathlib import Path
from services.trainer.orders import order_of
from services.trainer.process import CPU, Launch
from services.trainer.together import Patience, SharedTraining
order = order_of(json.loads(Path(sys.argv[1]).read_bytes()))
launch = Launch(1, CPU, "cpu", 1, 2, 0, sys.argv[3])
asyncio.run(SharedTraining(order, Path(sys.argv[2]), launch, Patience(300.0, 30.0)).ended())
"""


def killed_service(order: TrainingOrder, folder: Path, launch: Launch, step: int) -> None:
    """Node 0, killed with all its might after that step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    told = folder.parent.parent / "order.json"
    told.write_text(json.dumps(order_values(order)))
    command = [sys.executable, "-c", SERVICE, str(told), str(folder), launch.rendezvous]
    with subprocess.Popen(command, cwd=ROOT, env=environment()) as service:
        try:
            assert eventually(lambda: steps_done(folder) >= step, BEGIN_SECONDS), logs(folder)
        finally:
            service.kill()


@REAL
def test_two_nodes_learn_what_one_learns_even_if_the_first_is_killed(
    order: TrainingOrder, alone: list[float], launch: Launch, tmp_path: Path
) -> None:
    folder = tmp_path / "trainings" / "run"
    with second_node(tmp_path, launch):
        killed_service(order, folder, launch, 12)
        assert eventually(lambda: remains(tmp_path) == [], LIMIT_SECONDS), remains(tmp_path)
        ending = asyncio.run(SharedTraining(order, folder, launch, PATIENCE).ended())
    assert ending.state == "succeeded", (ending, logs(folder))
    assert losses(read_curve(folder / "progress.jsonl")) == pytest.approx(alone, rel=1e-4)
    assert remains(tmp_path) == []


async def with_a_kill(training: SharedTraining, folder: Path, kill: str, node: int) -> Ending:
    """How it ends where `kill`, the second node or its worker, gets SIGKILL after some steps."""
    running = asyncio.create_task(training.ended())
    begun = await asyncio.to_thread(eventually, lambda: steps_done(folder) > 3, BEGIN_SECONDS)
    assert begun, logs(folder)
    os.kill(node if kill == "node" else workers(folder.parent.parent)[1], signal.SIGKILL)
    return await asyncio.wait_for(running, LIMIT_SECONDS)


@pytest.mark.parametrize(
    ("kill", "reason"), [("worker", "node 1: the training ended"), ("node", "process 0 failed: ")]
)
@REAL
def test_a_second_node_that_is_killed_is_an_answer_with_its_reason(
    order: TrainingOrder, launch: Launch, tmp_path: Path, kill: str, reason: str
) -> None:
    folder = tmp_path / "trainings" / "run"
    longer = replace(order, settings=replace(order.settings, steps=LONG))
    with second_node(tmp_path, launch) as node:
        training = SharedTraining(longer, folder, launch, PATIENCE)
        ending = asyncio.run(with_a_kill(training, folder, kill, node.pid))
        assert eventually(lambda: remains(tmp_path) == [], LIMIT_SECONDS), remains(tmp_path)
    assert (ending.state, ending.error[: len(reason)]) == ("failed", reason)


async def stopped_after(training: SharedTraining, folder: Path, step: int) -> Ending:
    running = asyncio.create_task(training.ended())
    assert await asyncio.to_thread(eventually, lambda: steps_done(folder) >= step, BEGIN_SECONDS)
    training.stop()
    return await asyncio.wait_for(running, LIMIT_SECONDS)


@REAL
def test_a_stop_keeps_a_checkpoint_and_ends_both_nodes(
    order: TrainingOrder, launch: Launch, tmp_path: Path
) -> None:
    folder = tmp_path / "trainings" / "run"
    longer = replace(order, settings=replace(order.settings, steps=LONG))
    with second_node(tmp_path, launch):
        ending = asyncio.run(stopped_after(SharedTraining(longer, folder, launch, PATIENCE), folder, 3))
        assert eventually(lambda: remains(tmp_path) == [], LIMIT_SECONDS), remains(tmp_path)
    whole = folder / f"checkpoints/checkpoint-{steps_done(folder)}/whole"
    assert (ending.state, whole.is_file()) == ("stopped", True), ending


def test_a_node_that_is_not_there_is_named(order: TrainingOrder, launch: Launch, tmp_path: Path) -> None:
    training = SharedTraining(order, tmp_path / "trainings" / "run", launch, Patience(join=1.0))
    ending = asyncio.run(training.ended())
    assert (ending.state, "node 1 did not join within 1 s" in ending.error) == ("failed", True)


def test_what_a_dead_service_left_is_no_sign_of_life() -> None:
    now = [0.0]
    pulse = Pulse(lambda: now[0])
    pulse.feel(7)
    now[0] = 40.0
    assert (pulse.feel(7), pulse.beats) == (40.0, False)


def test_a_beat_that_goes_up_is_a_sign_of_life() -> None:
    pulse = Pulse(lambda: 0.0)
    pulse.feel(7)
    assert (pulse.feel(8), pulse.beats) == (0.0, True)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"IDIOLECT_TRAINER_RANK": "2"}, "IDIOLECT_TRAINER_RANK"),
        ({"IDIOLECT_TRAINER_RANK": ""}, "IDIOLECT_TRAINER_RANK"),
        ({"IDIOLECT_TRAINER_RENDEZVOUS": ""}, "IDIOLECT_TRAINER_RENDEZVOUS"),
        ({"IDIOLECT_TRAINER_RENDEZVOUS": "nowhere"}, "IDIOLECT_TRAINER_RENDEZVOUS"),
    ],
)
def test_settings_of_a_node_that_can_not_be_used_end_it_with_their_name(
    launch: Launch, tmp_path: Path, changed: dict[str, str], named: str
) -> None:
    over = ended("trainer.node", **{**variables(tmp_path, launch), **changed})
    assert (over.returncode, named in over.stderr) == (2, True), over.stderr
