"""A run may stop at any moment: it goes on where it stopped, and ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from keeping import KeepingRefiner, Unwatched, workshop

from services.embedded.runs import FileRun, RunFiles
from services.embedded.runstate import Position
from shared.errors import DriftError, InputError
from shared.record import from_record, validate

SCRIPT = Path(__file__).with_name("keeping.py")
BAD = [b"{", b'{"problem":"p"}', b'{"problem":"p","text":"\\ud800"}', b"\xff", b'{"problem":"p","steps":[1]}']


def write_input(path: Path, lines: int, seed: int = 0) -> Path:
    """Good, bad, blank and failing lines, mixed."""
    rng = random.Random(seed)
    with path.open("wb") as stream:
        for number in range(1, lines + 1):
            kind = rng.random()
            good = {"id": f"t{number}", "problem": "p", "text": f"He has {number} 🦆.\r\nSo {number}"}
            if kind < 0.1:
                stream.write(rng.choice(BAD) + b"\n")
            elif kind < 0.15:
                stream.write(b"\n")
            else:
                good["text"] += " fail" if kind < 0.25 else ""
                stream.write(json.dumps(good).encode() + b"\n")
    return path


def run_all(source: Path, output: Path, refiner: KeepingRefiner | None = None) -> Position:
    with FileRun(source, output, {"pace": "any"}) as run:
        return run.refine(workshop(refiner or KeepingRefiner()), Unwatched())


def content(output: Path) -> dict[str, bytes]:
    files = RunFiles(output)
    return {
        path.name: path.read_bytes() for path in (files.output, files.errors, files.tokens) if path.exists()
    }


class StopsAfter:
    """Interrupts the run after so many settled lines."""

    def __init__(self, lines: int) -> None:
        self.left = lines

    def advance(self, position: Position) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_input(tmp_path / "in.jsonl", 400)


@pytest.fixture
def whole(tmp_path: Path, source: Path) -> dict[str, bytes]:
    """What an uninterrupted run writes."""
    (tmp_path / "whole").mkdir()
    run_all(source, tmp_path / "whole" / "out.jsonl")
    return content(tmp_path / "whole" / "out.jsonl")


def test_every_line_ends_once_in_input_order(source: Path, whole: dict[str, bytes]) -> None:
    records = [json.loads(line) for line in whole["out.jsonl"].splitlines()]
    errors = [json.loads(line) for line in whole["out.jsonl.errors.jsonl"].splitlines()]
    bad = {error["line"] for error in errors} - {record["line"] for record in records}
    settled = sorted([record["line"] for record in records] + sorted(bad))
    assert [record["line"] for record in records] == sorted(record["line"] for record in records)
    assert settled == [n for n, line in enumerate(source.read_bytes().split(b"\n"), 1) if line]


def test_every_written_record_is_valid_and_reads_back(whole: dict[str, bytes]) -> None:
    for line in whole["out.jsonl"].split(b"\n")[:-1]:
        record = json.loads(line)
        validate(record)
        from_record(record)


def test_errors_stand_in_order_with_line_and_reason(whole: dict[str, bytes]) -> None:
    errors = [json.loads(line) for line in whole["out.jsonl.errors.jsonl"].splitlines()]
    assert [error["line"] for error in errors] == sorted({error["line"] for error in errors})
    assert all(error["reason"] for error in errors)


def test_failed_trajectories_stand_in_both_files(whole: dict[str, bytes]) -> None:
    records = [json.loads(line) for line in whole["out.jsonl"].splitlines()]
    errors = [json.loads(line) for line in whole["out.jsonl.errors.jsonl"].splitlines()]
    failed = [record["line"] for record in records if record["outcome"] == "failed"]
    assert failed == [error["line"] for error in errors if error["reason"] == "crash"]


@pytest.mark.parametrize("ahead", [1, 7, 64, 10_000])
@pytest.mark.parametrize("after", [1, 2, 63, 64, 65, 200, 350])
def test_an_interrupted_run_ends_with_the_same_bytes(
    tmp_path: Path, source: Path, whole: dict[str, bytes], ahead: int, after: int
) -> None:
    output = tmp_path / "out.jsonl"
    with FileRun(source, output, {"pace": "any"}) as run, pytest.raises(KeyboardInterrupt):
        run.refine(workshop(KeepingRefiner(ahead)), StopsAfter(after))
    run_all(source, output, KeepingRefiner(ahead))
    assert content(output) == whole


def test_after_an_interrupt_nothing_that_was_settled_is_done_again(tmp_path: Path, source: Path) -> None:
    output, first, second = tmp_path / "out.jsonl", KeepingRefiner(), KeepingRefiner()
    with FileRun(source, output, {}) as run, pytest.raises(KeyboardInterrupt):
        run.refine(workshop(first), StopsAfter(100))
    with FileRun(source, output, {}) as run:
        run.refine(workshop(second), Unwatched())
    assert not set(first.worked) & set(second.worked)


def test_a_complete_run_is_not_done_again(source: Path, tmp_path: Path) -> None:
    output, again = tmp_path / "out.jsonl", KeepingRefiner()
    first = run_all(source, output)
    before = content(output)
    assert (run_all(source, output, again), again.worked, content(output)) == (first, [], before)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_a_run_ends_with_the_same_bytes(
    tmp_path: Path, source: Path, whole: dict[str, bytes], seed: int
) -> None:
    output = tmp_path / "out.jsonl"
    rng = random.Random(seed)
    kills = 0
    while kills < 6 and kill_after(source, output, rng.uniform(0.0, 0.35)):
        kills += 1
    run_all(source, output, KeepingRefiner(7))
    assert kills >= 2
    assert content(output) == whole


def kill_after(source: Path, output: Path, seconds: float) -> bool:
    """Starts a run, kills it so long after its begin; False where it had ended before."""
    command = [sys.executable, str(SCRIPT), str(source), str(output), "0.002"]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(seconds)
        running = process.poll() is None
        process.send_signal(signal.SIGKILL)
    return running


def begin(source: Path, output: Path, lines: int = 150) -> None:
    with FileRun(source, output, {"pace": "any"}) as run, pytest.raises(KeyboardInterrupt):
        run.refine(workshop(KeepingRefiner()), StopsAfter(lines))


@pytest.mark.parametrize("torso", [b'{"schema":"idio', b"whole but never committed\n", b"\xff" * 5000])
def test_what_was_never_committed_is_cut_off(
    tmp_path: Path, source: Path, whole: dict[str, bytes], torso: bytes
) -> None:
    output = tmp_path / "out.jsonl"
    begin(source, output)
    for path in (output, RunFiles(output).errors, RunFiles(output).journal):
        with path.open("ab") as stream:
            stream.write(torso)
    run_all(source, output)
    assert content(output) == whole


def test_a_changed_input_is_refused_with_the_difference(tmp_path: Path, source: Path) -> None:
    begin(source, tmp_path / "out.jsonl")
    with source.open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(DriftError, match=r"input\.bytes: \d+ -> \d+"):
        run_all(source, tmp_path / "out.jsonl")


def test_a_changed_setting_is_refused_with_the_difference(tmp_path: Path, source: Path) -> None:
    begin(source, tmp_path / "out.jsonl")
    with pytest.raises(DriftError, match=r"settings\.pace: any -> slow"):
        FileRun(source, tmp_path / "out.jsonl", {"pace": "slow"}).__enter__()


def test_a_changed_profile_is_refused_with_the_difference(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out.jsonl"
    with FileRun(source, output, {}) as run:
        run.pin({"profile": "tiny@1"})
    with FileRun(source, output, {}) as run, pytest.raises(DriftError, match="profile: tiny@1 -> tiny@2"):
        run.pin({"profile": "tiny@2"})


def test_a_refused_resume_changes_nothing(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out.jsonl"
    begin(source, output)
    before = content(output)
    with pytest.raises(DriftError):
        FileRun(source, output, {"pace": "slow"}).__enter__()
    assert content(output) == before


def test_a_shortened_output_is_refused(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out.jsonl"
    begin(source, output)
    os.truncate(output, 100)
    with pytest.raises(DriftError, match=r"out\.jsonl: \d+ bytes -> 100 bytes"):
        run_all(source, output)


def test_a_complete_output_that_grew_is_refused(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out.jsonl"
    run_all(source, output)
    with output.open("ab") as stream:
        stream.write(b"{}\n")
    with pytest.raises(DriftError):
        run_all(source, output)


def test_a_file_that_no_run_wrote_is_left_alone(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(b"precious\n")
    with pytest.raises(InputError, match="--fresh"):
        run_all(source, output)
    assert output.read_bytes() == b"precious\n"


def test_a_fresh_run_begins_anew(tmp_path: Path, source: Path, whole: dict[str, bytes]) -> None:
    output = tmp_path / "out.jsonl"
    begin(source, output)
    with FileRun(source, output, {"pace": "other"}, fresh=True) as run:
        run.refine(workshop(KeepingRefiner()), Unwatched())
    assert content(output) == whole


def test_a_second_process_is_kept_out(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out.jsonl"
    with FileRun(source, output, {}), pytest.raises(InputError, match="another process"):
        FileRun(source, output, {}).__enter__()


def test_input_and_output_must_differ(source: Path) -> None:
    with pytest.raises(InputError, match="at once"):
        FileRun(source, source, {})


def test_a_limit_ends_the_run_after_that_line(tmp_path: Path, source: Path) -> None:
    refiner = KeepingRefiner(64)
    with FileRun(source, tmp_path / "out.jsonl", {}, limit=50) as run:
        run.refine(workshop(refiner), Unwatched())
    assert refiner.worked[-1] <= 50 < refiner.worked[-1] + 5


def test_without_bad_lines_there_is_no_error_file(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"problem":"p","text":"a"}\n')
    run_all(source, tmp_path / "out.jsonl")
    assert not RunFiles(tmp_path / "out.jsonl").errors.exists()


def test_an_empty_input_is_a_complete_run(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.touch()
    assert run_all(source, tmp_path / "out.jsonl") == Position()
    assert content(tmp_path / "out.jsonl") == {"out.jsonl": b""}


def test_times_and_attempts_stand_in_the_log_only(tmp_path: Path, source: Path) -> None:
    output = tmp_path / "out.jsonl"
    begin(source, output)
    run_all(source, output)
    events = [json.loads(line) for line in RunFiles(output).log.read_text().splitlines()]
    assert [e["event"] for e in events if e["event"] != "commit"] == [
        "refine",
        "interrupted",
        "refine",
        "complete",
    ]
    assert events[-1]["attempts"] == 2
    assert b"attempt" not in output.read_bytes()


def test_the_token_file_holds_both_sides_of_an_edited_text(tmp_path: Path, source: Path) -> None:
    import pyarrow.parquet as pq

    output = tmp_path / "out.jsonl"
    run_all(source, output)
    rows = pq.read_table(RunFiles(output).tokens).to_pylist()
    records = [json.loads(line) for line in output.read_bytes().splitlines()]
    sides = [(r["line"], side) for r in records for side in ("native", "refined")[: 2 if r["edits"] else 1]]
    assert [(row["line"], row["side"]) for row in rows] == sides
    assert [len(row["surprisal"]) for row in rows if row["side"] == "native"] == [
        len(record["native"]["text"]) for record in records
    ]
