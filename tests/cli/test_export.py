"""``idiolect export``: the shapes that trainers read, only verified answers by default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.embedded.cli import app
from shared.domain import (
    Correctness,
    Diagnosis,
    Edit,
    Outcome,
    Problem,
    Refinement,
    Span,
    Trajectory,
    Verdict,
)
from shared.record import Provenance, record_line, to_record
from shared.text.edits import apply, preserved_fraction
from shared.text.segmentation import join_steps

RUNNER = CliRunner()
RIGHT, WRONG = Correctness.CORRECT, Correctness.INCORRECT


def record(
    line: int,
    outcome: Outcome,
    steps: list[str],
    changed: dict[int, str] | None = None,
    first_error: int | None = -1,
    after: Correctness = RIGHT,
) -> bytes:
    """A record line whose steps in `changed` are replaced."""
    text, placed = join_steps(steps, "\n")
    edits = tuple(
        Edit(placed[at].span, steps[at], new, "rules", "made") for at, new in sorted((changed or {}).items())
    )
    return record_line(
        to_record(
            Refinement(
                trajectory=Trajectory(f"t{line}", line, Problem(f"p{line}", "4"), text, placed, "\n"),
                refined=apply(text, edits),
                outcome=outcome,
                reason=None,
                diagnosis=Diagnosis(first_error, 0.5),
                edits=edits,
                before=Verdict(RIGHT if not edits and after is RIGHT else WRONG),
                after=Verdict(after),
                gold_source="given",
                style=None,
                utility=None,
                gate=None,
                tried=(),
                preserved=preserved_fraction(text, edits),
            ),
            Provenance("c"),
        )
    )


RECORDS = [
    record(1, Outcome.KEPT, ["a", "b"]),
    record(2, Outcome.REPAIRED, ["x 🦆", "y 3", "z 3"], {1: "y 4", 2: "z 4"}, first_error=1),
    record(3, Outcome.REGENERATED, ["u", "v"], {0: "U", 1: "V"}, first_error=0),
    record(4, Outcome.REJECTED, ["r", "s"], first_error=1, after=WRONG),
    record(5, Outcome.UNDECIDED, ["q"], first_error=None, after=Correctness.UNDECIDED),
    record(6, Outcome.KEPT, ["k"], first_error=None, after=Correctness.UNDECIDED),
    record(7, Outcome.FAILED, ["f"], first_error=None, after=WRONG),
]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"".join(RECORDS))
    return path


def exported(results: Path, *options: str) -> list[dict[str, Any]]:
    done = RUNNER.invoke(app, ["export", str(results), "-o", "-", *options])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


ROWS: dict[str, tuple[list[str], list[dict[str, Any]]]] = {
    "prompt-completion": (
        ["--format", "trl"],
        [
            {"prompt": "p1", "completion": "a\nb"},
            {"prompt": "p2", "completion": "x 🦆\ny 4\nz 4"},
            {"prompt": "p3", "completion": "U\nV"},
        ],
    ),
    "messages": (
        ["--format", "messages", "--outcome", "kept"],
        [{"messages": [{"role": "user", "content": "p1"}, {"role": "assistant", "content": "a\nb"}]}],
    ),
    "stepwise": (
        ["--format", "stepwise"],
        [
            {"prompt": "p1", "completions": ["a", "b"], "labels": [True, True]},
            {"prompt": "p2", "completions": ["x 🦆", "y 3"], "labels": [True, False]},
            {"prompt": "p2", "completions": ["x 🦆", "y 4", "z 4"], "labels": [True, True, True]},
            {"prompt": "p3", "completions": ["u"], "labels": [False]},
            {"prompt": "p3", "completions": ["U", "V"], "labels": [True, True]},
        ],
    ),
    "stepwise of the rejected": (
        ["--format", "stepwise", "--outcome", "rejected", "--unverified"],
        [{"prompt": "p4", "completions": ["r", "s"], "labels": [True, False]}],
    ),
    "preference": (
        ["--format", "preference"],
        [
            {"prompt": "p2", "chosen": "x 🦆\ny 4\nz 4", "rejected": "x 🦆\ny 3\nz 3"},
            {"prompt": "p3", "chosen": "U\nV", "rejected": "u\nv"},
        ],
    ),
    "preference by step": (
        ["--format", "preference", "--step"],
        [
            {"prompt": "p2", "prefix": "x 🦆\n", "chosen": "y 4", "rejected": "y 3"},
            {"prompt": "p3", "prefix": "", "chosen": "U", "rejected": "u"},
        ],
    ),
    "with ids": (
        ["--outcome", "kept", "--ids"],
        [{"id": "t1", "line": 1, "prompt": "p1", "completion": "a\nb"}],
    ),
    "unverified": (
        ["--outcome", "undecided", "--unverified"],
        [{"prompt": "p5", "completion": "q"}],
    ),
}


@pytest.mark.parametrize(("options", "rows"), ROWS.values(), ids=ROWS.keys())
def test_records_become_the_rows_that_trainers_read(
    results: Path, options: list[str], rows: list[dict[str, Any]]
) -> None:
    assert exported(results, *options) == rows


@pytest.mark.parametrize(("options", "rows"), ROWS.values(), ids=ROWS.keys())
def test_parquet_holds_the_same_rows(
    results: Path, tmp_path: Path, options: list[str], rows: list[dict[str, Any]]
) -> None:
    import pyarrow.parquet as pq

    target = tmp_path / "rows.parquet"
    assert RUNNER.invoke(app, ["export", str(results), "-o", str(target), *options]).exit_code == 0
    assert pq.read_table(target).to_pylist() == rows


def test_labels_and_completions_are_of_equal_length(results: Path) -> None:
    rows = exported(results, "--format", "stepwise")
    assert all(len(row["labels"]) == len(row["completions"]) for row in rows)


def test_the_counts_say_what_was_left_out(results: Path, tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["export", str(results), "-o", str(tmp_path / "rows.jsonl"), "--json"])
    assert json.loads(done.stdout) == {
        "rows": 3,
        "records": 3,
        "left_out": {"answer not verified": 1, "failed": 1, "rejected": 1, "undecided": 1},
        "bad_lines": 0,
    }


def test_dear_texts_are_left_out_where_a_limit_is_given(tmp_path: Path) -> None:
    results, target = tmp_path / "out.jsonl", tmp_path / "rows.jsonl"
    made = json.loads(RECORDS[0])
    utilities = [None, *({"benefit": 0.0, "cost": cost, "lambda": 1.0} for cost in (None, 0.0, 0.2, 0.21))]
    lines = [json.dumps({**made, "line": line, "utility": one}) for line, one in enumerate(utilities, 1)]
    results.write_text("\n".join(lines), "utf-8")
    done = RUNNER.invoke(
        app, ["export", str(results), "-o", str(target), "--most-cost", "0.2", "--ids", "--json"]
    )
    rows = [json.loads(line)["line"] for line in target.read_bytes().splitlines()]
    assert (rows, json.loads(done.stdout)["left_out"]) == ([3, 4], {"cost not known": 2, "costs too much": 1})


def test_many_rows_are_written_in_groups(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    results, target = tmp_path / "out.jsonl", tmp_path / "rows.bin"
    results.write_bytes(RECORDS[0] * 2500)
    done = RUNNER.invoke(app, ["export", str(results), "-o", str(target), "--parquet"])
    assert done.exit_code == 0
    assert (pq.ParquetFile(target).metadata.num_rows, pq.ParquetFile(target).num_row_groups) == (2500, 3)


def test_no_rows_make_an_empty_table_with_its_columns(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    results, target = tmp_path / "out.jsonl", tmp_path / "rows.parquet"
    results.touch()
    RUNNER.invoke(app, ["export", str(results), "-o", str(target), "--format", "stepwise"])
    assert pq.read_table(target).to_pydict() == {"prompt": [], "completions": [], "labels": []}


def test_a_tampered_record_is_a_bad_line(tmp_path: Path) -> None:
    results, target = tmp_path / "out.jsonl", tmp_path / "rows.jsonl"
    tampered = json.loads(RECORDS[0])
    tampered["refined"]["text"] += " and more"
    torso = b'{"schema":"idiolect.record/1"}'
    results.write_bytes(RECORDS[0] + b"\n".join([json.dumps(tampered).encode(), b"{}", torso]))
    done = RUNNER.invoke(app, ["export", str(results), "-o", str(target)])
    assert done.exit_code == 3
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["line 2", "line 3", "line 4"]
    assert len(target.read_bytes().splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "csv"],
        ["--step"],
        ["--outcome", "fine"],
        ["--parquet", "-o", "-"],
        ["--most-cost", "-1"],
        ["--most-cost", "nan"],
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(results: Path, options: list[str], tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["export", str(results), "-o", str(tmp_path / "rows"), *options])
    assert done.exit_code == 2


def test_a_dropped_step_is_compared_with_what_follows(tmp_path: Path) -> None:
    results = tmp_path / "out.jsonl"
    text, steps = join_steps(["a", "b"], "\n")
    edits = (Edit(Span(0, 2), "a\n", "", "rules", "made"),)
    made = json.loads(record(1, Outcome.REPAIRED, ["a", "b"]))
    made["edits"] = [{"span": [0, 2], "before": "a\n", "after": "", "author": "rules", "rewriter": "made"}]
    made["refined"] = {"text": apply(text, edits), "steps": [[0, 1]]}
    results.write_bytes(json.dumps(made).encode() + b"\n")
    [row] = exported(results, "--format", "preference", "--step")
    assert (row["prefix"], row["chosen"], row["rejected"]) == ("", "b", steps[0].text)
