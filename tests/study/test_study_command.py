"""The command on the shipped student: the smallest study whole, killed on the way, and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CELL = Path("cells", "student1.draw1")
PATIENCE = 600.0

pytestmark = pytest.mark.slow


def command(folder: Path) -> list[str]:
    module = [sys.executable, "-m", "services.embedded.cli", "study", "miniature-quick"]
    return [*module, "--output", str(folder), "--processes", "1"]


def run(folder: Path) -> str:
    """Stdout of the whole study."""
    ended = subprocess.run(command(folder), cwd=ROOT, capture_output=True, text=True, check=True)
    return ended.stdout


def killed_after_a_training(folder: Path) -> None:
    """Start the study and kill it as soon as one training is kept."""
    with subprocess.Popen(command(folder), cwd=ROOT, stderr=subprocess.DEVNULL) as study:
        end = time.monotonic() + PATIENCE
        while not list((folder / CELL / "train").glob("[!.]*.jsonl")) and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(study.pid, signal.SIGKILL)


def written(folder: Path) -> dict[str, int]:
    """When each piece was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.jsonl")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A study that was left in peace: its folder and stdout."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A study that was killed and gone on with: its folder, and the pieces that were there in between."""
    folder = tmp_path_factory.mktemp("resumed")
    killed_after_a_training(folder)
    pieces = {
        name: at for name, at in written(folder / "cells").items() if not Path(name).name.startswith(".")
    }
    run(folder)
    return folder, pieces


def test_the_last_line_is_the_summary(whole: tuple[Path, str]) -> None:
    summary = json.loads(whole[1].splitlines()[-1])
    assert set(summary["arms"]) == {"native", "style_aligned", "oracle_refined"}


def test_the_report_is_a_page(whole: tuple[Path, str]) -> None:
    assert "<h1>Study miniature-quick</h1>" in (whole[0] / "report.html").read_text(encoding="utf-8")


def test_the_students_own_words_cost_it_less_than_others(whole: tuple[Path, str]) -> None:
    arms = json.loads(whole[1].splitlines()[-1])["arms"]
    assert arms["style_aligned"]["ppl"] < arms["oracle_refined"]["ppl"]


@pytest.mark.long
def test_after_a_kill_nothing_is_made_twice(resumed: tuple[Path, dict[str, int]]) -> None:
    folder, pieces = resumed
    now = written(folder / "cells")
    assert {name: now[name] for name in pieces} == pieces


@pytest.mark.long
def test_after_a_kill_the_report_is_that_of_a_study_left_in_peace(
    whole: tuple[Path, str], resumed: tuple[Path, dict[str, int]]
) -> None:
    assert (resumed[0] / "report.json").read_bytes() == (whole[0] / "report.json").read_bytes()
