"""``idiolect refine`` on real solutions: files, pipes, bad lines, resumes, refusals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.embedded.cli import app
from services.embedded.runs import RunFiles
from shared.record import validate

RUNNER = CliRunner()
DEMO = Path(__file__).parents[2] / "data" / "demo" / "gpt3_6b.jsonl"
REFINE = [sys.executable, "-m", "services.embedded.cli", "refine"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}


def head(path: Path, lines: int, with_gold: int | None = None) -> Path:
    """The first lines of the demo's solutions; from line `with_gold` on without gold, which is quick."""
    with DEMO.open("rb") as stream:
        items = [json.loads(line) for line in islice(stream, lines)]
    for item in items[lines if with_gold is None else with_gold :]:
        del item["gold"]
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve real solutions, and a bad line among them."""
    path = head(tmp_path_factory.mktemp("refine") / "in.jsonl", 12)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], b'{"problem":"p","steps":[1]}\n', *lines[5:]]))
    return path


@pytest.fixture(scope="module")
def refined(source: Path) -> Path:
    """What a run of the command wrote."""
    output = source.with_name("out.jsonl")
    done = RUNNER.invoke(app, ["refine", str(source), "-o", str(output), "--scorer", "none"])
    assert done.exit_code == 3, done.output
    return output


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_every_good_line_has_one_valid_record(refined: Path) -> None:
    found = records(refined)
    for record in found:
        validate(record)
    assert [record["line"] for record in found] == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13]


def test_the_native_text_is_that_of_the_input(source: Path, refined: Path) -> None:
    lines = [json.loads(line) for line in source.read_bytes().splitlines()]
    given = ["\n".join(line["steps"]) for line in lines if "gold" in line]
    assert [record["native"]["text"] for record in records(refined)] == given  # type: ignore[index]


def test_a_bad_line_is_named_with_its_reason(refined: Path) -> None:
    [error] = records(RunFiles(refined).errors)
    assert (error["line"], error["field"]) == (6, "steps[0]")


def test_json_is_one_line_of_counts(source: Path, refined: Path) -> None:
    done = RUNNER.invoke(app, ["refine", str(source), "-o", str(refined), "--scorer", "none", "--json"])
    figures = json.loads(done.stdout)
    assert (figures["records"], figures["bad_lines"], sum(figures["outcomes"].values())) == (12, 1, 12)


def test_changed_settings_are_refused_with_the_difference(source: Path, refined: Path) -> None:
    done = RUNNER.invoke(app, ["refine", str(source), "-o", str(refined), "--scorer", "none", "--seed", "5"])
    assert (done.exit_code, "settings.search.seed: 0 -> 5" in done.stderr) == (4, True)


def piped(source: Path, *more: str) -> subprocess.CompletedProcess[bytes]:
    command = [*REFINE, "-", "-o", "-", "--scorer", "none", *more]
    given = source.read_bytes()
    return subprocess.run(command, input=given, capture_output=True, env=ENVIRONMENT, check=False)


def test_a_pipe_gives_the_same_records(source: Path, refined: Path) -> None:
    command = [*REFINE, "-", "-o", "-", "--scorer", "none"]
    done = subprocess.run(
        command, input=source.read_bytes(), capture_output=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 3
    assert done.stdout == refined.read_bytes()


def test_a_pipe_names_bad_lines_on_stderr(source: Path) -> None:
    command = [*REFINE, "-", "-o", "-", "--scorer", "none", "--limit", "6"]
    done = subprocess.run(
        command, input=source.read_bytes(), capture_output=True, env=ENVIRONMENT, check=False
    )
    assert b'{"line":6,"id":null,"field":"steps[0]"' in done.stderr


def test_from_a_pipe_to_a_file_the_same_bytes_are_written(
    source: Path, refined: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    done = RUNNER.invoke(
        app, ["refine", "-", "-o", str(output), "--scorer", "none"], input=source.read_bytes()
    )
    assert done.exit_code == 3
    assert output.read_bytes() == refined.read_bytes()


def test_a_reader_that_goes_away_ends_the_run(source: Path) -> None:
    command = f"{sys.executable} -m services.embedded.cli refine {source} -o - --scorer none; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | true"], capture_output=True, env=ENVIRONMENT, check=False, text=True
    )
    assert done.stderr.splitlines()[-1] == "141"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_goes_on_where_it_stopped(
    source: Path, refined: Path, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out.jsonl"
    command = [*REFINE, str(source), "-o", str(output), "--scorer", "none"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        while process.poll() is None and not RunFiles(output).state.exists():
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate()
    again = subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=False)
    assert (process.returncode, again.returncode) == (130, 3)
    assert output.read_bytes() == refined.read_bytes()


USAGE = {
    "no such file": (["missing.jsonl", "-o", "x"], "is no file"),
    "tokens from a pipe": (["-", "-o", "x", "--tokens"], "--tokens"),
    "tokens without a scorer": ([str(DEMO), "-o", "x", "--tokens", "--scorer", "none"], "--tokens"),
    "an unknown scorer": ([str(DEMO), "-o", "x", "--scorer", "loud"], "--scorer"),
    "a model for nobody": ([str(DEMO), "-o", "x", "--student-model", "m"], "--generate"),
    "alpha above one": ([str(DEMO), "-o", "x", "--alpha", "2"], "alpha"),
    "an unknown gate": ([str(DEMO), "-o", "x", "--gate", "ajar"], "gate"),
    "no profile there": ([str(DEMO), "-o", "x", "--profile", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize(("arguments", "named"), USAGE.values(), ids=USAGE.keys())
def test_an_order_that_makes_no_sense_is_refused_and_named(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = RUNNER.invoke(app, ["refine", *arguments])
    assert (done.exit_code, named in done.stderr) == (2, True)


def test_too_few_texts_for_a_profile_are_refused_with_the_way_out(source: Path, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["refine", str(source), "-o", str(tmp_path / "out.jsonl")])
    assert (done.exit_code, "--scorer none" in done.stderr) == (2, True)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the proxy scorer and the token file."""
    folder = tmp_path_factory.mktemp("scored")
    source, output = head(folder / "in.jsonl", 205, with_gold=20), folder / "out.jsonl"
    done = RUNNER.invoke(app, ["refine", str(source), "-o", str(output), "--tokens", "--name", "six"])
    assert done.exit_code == 0, done.output
    return output


def test_without_a_profile_one_is_fitted_and_kept(scored: Path) -> None:
    profiles = {record["provenance"]["profile"] for record in records(scored)}  # type: ignore[index]
    assert len(profiles) == 1
    assert profiles.pop().startswith("six@")
    assert (RunFiles(scored).profile / "profile.json").exists()


def test_every_record_has_its_style_under_the_proxy(scored: Path) -> None:
    labels = {record["style"] and record["style"]["label"] for record in records(scored)}  # type: ignore[index]
    assert labels == {"proxy"}


def test_the_token_file_agrees_with_the_ledger(scored: Path) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(RunFiles(scored).tokens).to_pylist()
    last = {row["line"]: sum(row["surprisal"]) for row in rows}
    assert last == {
        record["line"]: pytest.approx(record["style"]["nll"])
        for record in records(scored)  # type: ignore[index]
    }


def test_a_kept_profile_gives_the_same_records(scored: Path, tmp_path: Path) -> None:
    source = head(tmp_path / "in.jsonl", 15)
    output, profile = tmp_path / "out.jsonl", RunFiles(scored).profile
    done = RUNNER.invoke(app, ["refine", str(source), "-o", str(output), "--profile", str(profile)])
    assert done.exit_code == 0, done.output
    ours, theirs = records(output), records(scored)[:15]
    for record in [*ours, *theirs]:
        del record["provenance"]
    assert ours == theirs
