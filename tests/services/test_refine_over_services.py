"""``idiolect refine`` over services: the bytes of a run without them, whatever happens in between."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from processes import Process, environment
from served import Served, ServedOracle, rules, scripted
from typer.testing import CliRunner
from waiting import eventually

from services.embedded.cli import app
from services.embedded.runs import RunFiles
from services.inference.absent import AbsentModel
from services.inference.base import LanguageModel
from services.inference.scripted import Script, ScriptedModel
from services.student.engines.proxy import VERSION
from shared.domain import ModelInfo

RUNNER = CliRunner()
DEMO = Path(__file__).parents[2] / "data" / "demo" / "gpt3_6b.jsonl"
LINES = 205
GENERATE = ("--scorer", "none", "--generate")
HERE = ("--student-engine", "scripted")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough solutions to know a student by; the first and the last ones with gold, which takes time."""
    with DEMO.open("rb") as stream:
        items = [json.loads(line) for line in islice(stream, LINES)]
    for item in items[12 : LINES - 24]:
        del item["gold"]
    path = tmp_path_factory.mktemp("source") / "in.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def refine(source: Path, output: Path, *options: str) -> Result:
    return RUNNER.invoke(app, ["refine", str(source), "-o", str(output), *options])


def refined(source: Path, output: Path, *options: str) -> bytes:
    done = refine(source, output, *options)
    assert done.exit_code == 0, done.output
    return output.read_bytes()


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
def fitted(source: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a run in process writes, with a fitted proxy."""
    return refined(source, tmp_path_factory.mktemp("fitted") / "out.jsonl")


@pytest.fixture(scope="module")
def generated(source: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a run in process writes, with a scripted student that goes on by itself."""
    return refined(source, tmp_path_factory.mktemp("generated") / "out.jsonl", *GENERATE, *HERE)


async def proxy() -> LanguageModel:
    return AbsentModel("proxy", VERSION)


@pytest.fixture(scope="module")
def fitting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a student that fits proxies."""
    with Served(proxy, tmp_path_factory.mktemp("state")) as served:
        yield served.address


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a scripted student."""
    with Served(scripted(), tmp_path_factory.mktemp("state")) as served:
        yield served.address


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an oracle by rules."""
    with ServedOracle(rules, tmp_path_factory.mktemp("state")) as served:
        yield served.address


@pytest.fixture(scope="module")
def nowhere() -> Iterator[str]:
    """An address that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


# The same bytes


def test_a_fitted_proxy_and_rules_write_the_same_over_services(
    source: Path, fitted: bytes, fitting: str, oracle: str, tmp_path: Path
) -> None:
    assert refined(source, tmp_path / "out", "--student", fitting, "--oracle", oracle) == fitted


def test_a_student_that_goes_on_writes_the_same_over_services(
    source: Path, generated: bytes, student: str, oracle: str, tmp_path: Path
) -> None:
    options = (*GENERATE, "--student", student, "--oracle", oracle)
    assert refined(source, tmp_path / "out", *options) == generated


def test_some_repairs_are_the_students_own(generated: bytes) -> None:
    tried = {one["rewriter"] for record in records(generated) for one in record["tried"]}
    assert "student_continue" in tried


def test_the_student_service_alone_changes_nothing(
    source: Path, generated: bytes, student: str, tmp_path: Path
) -> None:
    assert refined(source, tmp_path / "out", *GENERATE, "--student", student) == generated


def test_the_oracle_service_alone_changes_nothing(
    source: Path, generated: bytes, oracle: str, tmp_path: Path
) -> None:
    assert refined(source, tmp_path / "out", *GENERATE, *HERE, "--oracle", oracle) == generated


def test_numbers_of_a_scripted_scorer_are_labelled_as_invented(
    source: Path, student: str, oracle: str, tmp_path: Path
) -> None:
    options = ("--scorer", "served", "--student", student, "--oracle", oracle)
    styles = [record["style"] for record in records(refined(source, tmp_path / "out", *options))]
    assert {(style["scorer"], style["label"]) for style in styles} == {("scripted:scripted", "scripted")}


# What goes wrong


def begun(source: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    """The command as a process of its own, once it has committed some lines."""
    command = [sys.executable, "-m", "services.embedded.cli", "refine", str(source), "-o", str(output)]
    process = subprocess.Popen([*command, *options], env=environment(), stderr=subprocess.PIPE, text=True)
    assert eventually(lambda: committed(output) >= 64 or process.poll() is not None, 60)
    return process


def committed(output: Path) -> int:
    """The last line that the run vouches for."""
    state = RunFiles(output).state
    return json.loads(state.read_text())["position"]["line"] if state.exists() else 0


@pytest.fixture(scope="module")
def killed(source: Path, student: str, oracle: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run over services that was killed in the middle."""
    output = tmp_path_factory.mktemp("killed") / "out.jsonl"
    with begun(source, output, *GENERATE, "--student", student, "--oracle", oracle) as process:
        process.kill()
    assert process.returncode == -9
    return output.parent


def test_a_run_that_was_killed_ends_with_the_same_bytes(
    source: Path, generated: bytes, killed: Path, student: str, oracle: str, tmp_path: Path
) -> None:
    output = shutil.copytree(killed, tmp_path / "run") / "out.jsonl"
    options = (*GENERATE, "--student", student, "--oracle", oracle)
    assert refined(source, output, *options) == generated


def test_a_run_over_services_can_be_finished_without_them(
    source: Path, generated: bytes, killed: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(killed, tmp_path / "run") / "out.jsonl"
    assert refined(source, output, *GENERATE, *HERE) == generated


def test_another_student_behind_the_address_is_refused_at_a_resume(
    source: Path, killed: Path, oracle: str, tmp_path: Path
) -> None:
    output = shutil.copytree(killed, tmp_path / "run") / "out.jsonl"
    with Served(scripted(seed=1), tmp_path / "state") as other:
        done = refine(source, output, *GENERATE, "--student", other.address, "--oracle", oracle)
    assert (done.exit_code, "changed: student.digest: " in done.stderr) == (4, True)


def test_another_oracle_behind_the_address_is_refused_at_a_resume(
    source: Path, killed: Path, student: str, tmp_path: Path
) -> None:
    output = shutil.copytree(killed, tmp_path / "run") / "out.jsonl"
    with ServedOracle(scripted(), tmp_path / "state") as other:
        done = refine(source, output, *GENERATE, "--student", student, "--oracle", other.address)
    assert (done.exit_code, "changed: engines.oracle: rules -> scripted" in done.stderr) == (4, True)


class Changing(ScriptedModel):
    """Is another model after some samples."""

    @property
    def info(self) -> ModelInfo:
        return Script(seed=int(self._samples > 8)).info()


async def changing() -> LanguageModel:
    return Changing()


def test_another_student_in_the_middle_ends_the_run(source: Path, oracle: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with Served(changing, tmp_path / "state") as served:
        done = refine(source, output, *GENERATE, "--student", served.address, "--oracle", oracle)
    assert (done.exit_code, "is expected but" in done.stderr) == (2, True)
    assert "failed" not in {record["outcome"] for record in records(output.read_bytes())}


def test_an_oracle_that_is_not_there_ends_the_run_with_its_name(
    source: Path, nowhere: str, tmp_path: Path
) -> None:
    done = refine(source, tmp_path / "out", "--scorer", "none", "--oracle", nowhere)
    assert (done.exit_code, f"--oracle {nowhere}: UNAVAILABLE" in done.stderr) == (5, True)


def test_a_run_whose_oracle_was_not_there_can_be_taken_up(
    source: Path, generated: bytes, nowhere: str, oracle: str, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    refine(source, output, *GENERATE, *HERE, "--oracle", nowhere)
    assert refined(source, output, *GENERATE, *HERE, "--oracle", oracle) == generated


@pytest.mark.parametrize("option", ["--student", "--oracle"])
def test_an_address_without_a_port_is_refused_by_its_option(
    source: Path, tmp_path: Path, option: str
) -> None:
    done = refine(source, tmp_path / "out", "--scorer", "none", "--generate", option, "localhost")
    said = f"idiolect: {option}: 'localhost' is no HOST:PORT; give an address such as 127.0.0.1:9000"
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, said)


@pytest.fixture(scope="module")
def bereft(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """Folder of a run whose oracle was killed in the middle, its exit code, and what it said."""
    folder = tmp_path_factory.mktemp("bereft")
    output = folder / "out.jsonl"
    with Served(proxy, folder / "state") as fitting, Process("oracle", folder) as dying:
        options = ("--student", fitting.address, "--oracle", dying.address)
        with begun(source, output, *options) as process:
            dying.kill()
            said = process.communicate()[1]
    return folder, process.returncode, said


@pytest.mark.long
def test_a_service_that_dies_ends_the_run_with_its_name(bereft: tuple[Path, int, str]) -> None:
    assert (bereft[1], "--oracle 127.0.0.1:" in bereft[2].splitlines()[-1]) == (5, True)


@pytest.mark.long
def test_a_service_that_dies_marks_no_trajectory_as_failed(bereft: tuple[Path, int, str]) -> None:
    found = records((bereft[0] / "out.jsonl").read_bytes())
    assert (len(found) < LINES, [one for one in found if one["outcome"] == "failed"]) == (True, [])


@pytest.mark.long
def test_a_run_goes_on_with_an_oracle_and_a_student_that_forgot_everything(
    source: Path, fitted: bytes, bereft: tuple[Path, int, str], oracle: str, tmp_path: Path
) -> None:
    output = shutil.copytree(bereft[0], tmp_path / "run") / "out.jsonl"
    with Served(proxy, tmp_path / "empty") as fitting:
        found = refined(source, output, "--student", fitting.address, "--oracle", oracle)
    assert found == fitted
