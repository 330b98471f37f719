"""``idiolect evaluate`` and ``idiolect compare`` on a real engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_student import tiny_student
from typer.testing import CliRunner

from services.embedded.cli import app

RUNNER = CliRunner()
ROOT = Path(__file__).parents[2]
EVALUATE = [sys.executable, "-m", "services.embedded.cli", "evaluate"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
FEW = ["--samples", "2", "--max-tokens", "16", "--seed", "3", "--threads", "1"]


def run(student: Path, output: Path, *more: str, limit: int = 6) -> str:
    asked = ["evaluate", "svamp-300", "--model", str(student), "-o", str(output), "--limit", str(limit)]
    done = RUNNER.invoke(app, [*asked, *FEW, *more])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def evaluated(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("evaluated") / "out.jsonl"
    run(student, output)
    return output


def test_every_sample_is_stored_with_its_verdict(evaluated: Path) -> None:
    lines = [json.loads(line) for line in evaluated.read_bytes().splitlines()]
    samples = [sample for line in lines for sample in line["samples"]]
    assert len(samples) == 12
    assert all({"text", "value", "reason", "answer"} <= set(sample) for sample in samples)


def test_the_summary_names_set_model_and_settings(evaluated: Path) -> None:
    told = json.loads(evaluated.with_name("out.jsonl.summary.json").read_text())
    assert {"set.digest", "model.digest", "settings.seed"} <= set(told["run"])


def test_the_table_shows_the_average_with_its_interval(evaluated: Path, student: Path) -> None:
    assert "Avg@2" in run(student, evaluated)


def test_a_whole_run_is_not_asked_again(evaluated: Path, student: Path) -> None:
    before = evaluated.read_bytes()
    run(student, evaluated)
    assert evaluated.read_bytes() == before


def test_another_seed_is_refused_with_the_difference(evaluated: Path, student: Path) -> None:
    asked = ["evaluate", "svamp-300", "--model", str(student), "-o", str(evaluated), "--limit", "6", *FEW]
    done = RUNNER.invoke(app, [*asked, "--seed", "4"])
    assert (done.exit_code, "settings.seed: 3 -> 4" in done.output) == (4, True)


def test_another_model_is_refused_with_the_difference(evaluated: Path, tmp_path: Path) -> None:
    other = tiny_student(tmp_path / "other", seed=9)
    asked = ["evaluate", "svamp-300", "--model", str(other), "-o", str(evaluated), "--limit", "6", *FEW]
    done = RUNNER.invoke(app, asked)
    assert (done.exit_code, "model.digest" in done.output) == (4, True)


@pytest.mark.long
def test_a_run_that_was_killed_ends_with_the_same_bytes(student: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    asked = [*EVALUATE, "svamp-300", "--model", str(student), "--limit", "200", *FEW, "-o"]
    subprocess.run([*asked, str(whole)], env=ENVIRONMENT, check=True, capture_output=True)
    with subprocess.Popen([*asked, str(killed)], env=ENVIRONMENT, stdout=subprocess.DEVNULL) as running:
        while not killed.exists() or not killed.stat().st_size:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    assert killed.stat().st_size < whole.stat().st_size
    subprocess.run([*asked, str(killed)], env=ENVIRONMENT, check=True, capture_output=True)
    assert killed.read_bytes() == whole.read_bytes()


def test_an_interrupt_ends_a_run_with_one_line(student: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    asked = [*EVALUATE, "svamp-300", "--model", str(student), *FEW, "-o", str(output)]
    with subprocess.Popen(asked, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as running:
        while not output.exists() or not output.stat().st_size:
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate()
    assert (running.returncode, told.splitlines()[-1]) == (130, "idiolect: interrupted")
    assert "Traceback" not in told


def test_compare_tells_the_paired_difference(evaluated: Path, student: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    run(student, other, "--temperature", "0.5")
    done = RUNNER.invoke(app, ["compare", str(evaluated), str(other), "--json"])
    assert json.loads(done.stdout)["a_minus_b"]["n"] == 6


def test_compare_names_problems_that_only_one_was_asked(
    evaluated: Path, student: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    run(student, other, limit=5)
    done = RUNNER.invoke(app, ["compare", str(evaluated), str(other)])
    assert (done.exit_code, "only in the first" in done.output) == (2, True)


def test_a_file_of_problems_is_read(student: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text('{"question": "What is 2 + 2?", "answer": 4}\n')
    asked = [
        "evaluate",
        str(file),
        "--model",
        str(student),
        "-o",
        str(tmp_path / "out.jsonl"),
        *FEW,
        "--json",
    ]
    assert json.loads(RUNNER.invoke(app, asked).stdout)["problems"] == 1
