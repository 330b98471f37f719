"""The same seed gives the same weights on this processor and on one that an emulator stands for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.embedded.miniature.kernels import FIXED, are_fixed, begin_again_with_fixed

ROOT = Path(__file__).parents[2]
PRETRAINING = ["-m", "services.embedded.miniature.pretraining", "--seed", "1"]
ONE_ROW = [*PRETRAINING, "--rows", "1"]
# After the first 8 steps: of the recipe, and of the same with one row a step.
OF_THE_RECIPE = "cffb939fd934722de42675fd255a4bdbb3cb6e6d7ab20e5358698e14f4d9206e"
OF_ONE_ROW = "f9308e3e569006e493ecccb1b4395bdc32779f85f9a24379f6e181ffd10d3436"


def digest(command: list[str], environment: dict[str, str], folder: Path) -> str:
    told = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        [*command, "--steps", "8", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=told,
        check=True,
    )
    return done.stdout.split()[-1]


@pytest.mark.long
def test_the_first_steps_give_the_digest_that_they_give_on_every_processor(tmp_path: Path) -> None:
    assert digest([sys.executable, *PRETRAINING], {}, tmp_path / "recipe") == OF_THE_RECIPE
    assert digest([sys.executable, *ONE_ROW], {}, tmp_path / "one row") == OF_ONE_ROW


@pytest.mark.long
@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-x86_64 (Debian: qemu-user)")
def test_an_emulated_processor_by_intel_gives_it_too(tmp_path: Path) -> None:
    """Some five minutes. The emulator knows no AVX-512; what no standard fixes it computes in its own way."""
    emulated = ["qemu-x86_64", "-cpu", "Haswell", os.path.realpath(sys.executable)]
    told = {**FIXED, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert digest([*emulated, *ONE_ROW], told, tmp_path) == OF_ONE_ROW


def test_a_process_that_was_not_told_begins_again_with_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "some.module", "--seed", "1"])
    monkeypatch.delenv("MKL_CBWR", raising=False)
    begun: list[tuple[object, ...]] = []
    begin_again_with_fixed(lambda *told: begun.append(told))
    [(program, arguments, environment)] = begun
    assert (program, arguments[1:]) == (sys.executable, ["-m", "some.module", "--seed", "1"])
    assert are_fixed(environment)


def test_one_that_was_told_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FIXED.items():
        monkeypatch.setenv(name, value)
    begin_again_with_fixed(lambda *_: pytest.fail("it began again"))
