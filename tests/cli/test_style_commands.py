"""``idiolect profile``, ``score`` and ``evaluate-style`` on real solutions, with the proxy scorer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.embedded.cli import app

RUNNER = CliRunner()
ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "demo" / "gpt3_6b.jsonl"
AUTHORS = ROOT / "tests" / "data" / "style" / "authors.jsonl"
NATIVE, SOCRATIC = "gpt3_6b_finetuning", "human_gold_socratic"
SCORE = [sys.executable, "-m", "services.embedded.cli", "score", "-"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
TEXT_FIGURES = {"tokens", "ppl", "quarters", "rsr"}
FILE_FIGURES = {"n", "bad_lines", "scorer", "label", "cost", *TEXT_FIGURES}
RECORD_FIGURES = {*FILE_FIGURES, "drift", "native", "top_q1", "token_shifts"}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a profile, and what the command said about it."""
    folder = tmp_path_factory.mktemp("style") / "profile"
    done = RUNNER.invoke(app, ["profile", str(DEMO), "--name", "gpt3-6b", "-o", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    return folder, json.loads(done.stdout)


@pytest.fixture(scope="module")
def profile(fitted: tuple[Path, dict[str, Any]]) -> str:
    return str(fitted[0])


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve real solutions."""
    return written(tmp_path_factory.mktemp("few") / "in.jsonl", lines_of(DEMO)[:12])


@pytest.fixture(scope="module")
def records(few: Path, profile: str) -> Path:
    """The records of the twelve, as `idiolect refine` writes them."""
    output = few.with_name("out.jsonl")
    done = RUNNER.invoke(app, ["refine", str(few), "-o", str(output), "--profile", profile])
    assert done.exit_code == 0, done.output
    return output


def invoked(*arguments: object) -> Result:
    """A run of `idiolect score --json`."""
    return RUNNER.invoke(app, ["score", *map(str, arguments), "--json"])


def figures(*arguments: object) -> dict[str, Any]:
    """What `idiolect score --json` says."""
    done = invoked(*arguments)
    assert done.exit_code == 0, done.output
    [line] = done.stdout.splitlines()
    return json.loads(line)


Scored = tuple[dict[str, Any], list[dict[str, Any]]]


def scored(source: Path, profile: str) -> Scored:
    """The figures of a file, and its lines with tokens, from one run."""
    output = source.with_suffix(".scored")
    said = figures(source, "--profile", profile, "-o", output, "--tokens", "--top", 5)
    return said, lines_of(output)


@pytest.fixture(scope="module")
def of_few(few: Path, profile: str) -> Scored:
    return scored(few, profile)


@pytest.fixture(scope="module")
def of_records(records: Path, profile: str) -> Scored:
    return scored(records, profile)


def test_profile_tells_its_name_band_and_thresholds(fitted: tuple[Path, dict[str, Any]]) -> None:
    said = fitted[1]
    assert said.keys() == {"profile", "samples", "scorer", "label", "band", "alpha", "thresholds"}
    assert (said["samples"], said["label"], len(said["band"])) == (len(lines_of(DEMO)), "proxy", 4)
    assert re.fullmatch("gpt3-6b@[0-9a-f]{16}", said["profile"])


def test_score_finds_a_saved_profile_again(
    few: Path, fitted: tuple[Path, dict[str, Any]], of_few: Scored
) -> None:
    assert {line["student"] for line in of_few[1]} == {fitted[1]["profile"]}
    assert [line["id"] for line in of_few[1]] == [line["id"] for line in lines_of(few)]


def test_score_sums_its_lines_up_by_token(of_few: Scored) -> None:
    said, found = of_few
    excess = sum(line["cost"] * line["tokens"] for line in found)
    assert said.keys() == FILE_FIGURES
    assert said["tokens"] == sum(line["tokens"] for line in found)
    assert said["cost"] == pytest.approx(excess / said["tokens"])


def test_score_adds_every_token_when_asked(of_few: Scored) -> None:
    for line in of_few[1]:
        assert len(line["token_scores"]) == line["tokens"]
        assert sum(row[2] for row in line["token_scores"]) == pytest.approx(line["nll"])


def test_score_takes_the_author_that_is_named(profile: str) -> None:
    said = [
        figures(AUTHORS, "--profile", profile, "--author", name, "--limit", 30) for name in (NATIVE, SOCRATIC)
    ]
    assert said[0]["n"] == said[1]["n"] == 30
    assert said[0]["ppl"] < said[1]["ppl"]


def test_score_reads_stdin(few: Path, profile: str, of_few: Scored) -> None:
    command = [*SCORE, "--profile", profile, "--json"]
    done = subprocess.run(command, input=few.read_bytes(), capture_output=True, env=ENVIRONMENT, check=True)
    assert json.loads(done.stdout) == of_few[0]


def test_score_of_records_has_both_sides_and_the_tables_of_tokens(of_records: Scored) -> None:
    said = of_records[0]
    assert said.keys() == RECORD_FIGURES
    assert said["native"].keys() == TEXT_FIGURES
    for side in ("native", "refined"):
        assert [row.keys() for row in said["top_q1"][side]] == [{"token", "count", "nll"}] * 5
    assert [row.keys() for row in said["token_shifts"]] == [{"token", "native", "refined", "change"}] * 5


@pytest.mark.parametrize("side", ["native", "refined"])
def test_a_side_of_records_is_that_of_its_texts(
    records: Path, profile: str, of_records: Scored, tmp_path: Path, side: str
) -> None:
    said = of_records[0]["native"] if side == "native" else of_records[0]
    texts = [{"problem": one["problem"]["text"], "text": one[side]["text"]} for one in lines_of(records)]
    alone = figures(written(tmp_path / "side.jsonl", texts), "--profile", profile)
    assert {name: said[name] for name in TEXT_FIGURES} == {name: alone[name] for name in TEXT_FIGURES}


def test_the_cost_and_drift_of_records_are_token_weighted(of_records: Scored) -> None:
    said, found = of_records
    before, after = ([line[key] if key else line for line in found] for key in ("native", ""))
    tokens = [sum(text["tokens"] for text in texts) for texts in (before, after)]
    losses = [sum(text["nll"] for text in texts) for texts in (before, after)]
    excess = sum(line["cost"] * line["native"]["tokens"] for line in found)
    assert said["cost"] == pytest.approx(excess / tokens[0])
    assert said["drift"] == pytest.approx(losses[1] / tokens[1] - losses[0] / tokens[0])


def test_the_ledger_of_a_record_is_scored_again_the_same(records: Path, of_records: Scored) -> None:
    names = ("student", "scorer", "nll", "tokens", "ppl", "quarters", "drift")
    ledgers = [record["style"] for record in lines_of(records)]
    assert [[line[name] for name in names] for line in of_records[1]] == [
        [ledger[name] for name in names] for ledger in ledgers
    ]


def test_the_first_of_the_loss_bearing_tokens_is_found_in_the_lines(
    records: Path, of_records: Scored
) -> None:
    said, found = of_records
    losses: Counter[str] = Counter()
    for line, record in zip(found, lines_of(records), strict=True):
        opening = line["token_scores"][: -(-line["tokens"] // 4)]
        for start, end, surprisal, _ in opening:
            losses[record["refined"]["text"][start:end]] += surprisal
    [(token, nll)] = losses.most_common(1)
    assert said["top_q1"]["refined"][0]["token"] == token
    assert said["top_q1"]["refined"][0]["nll"] == pytest.approx(nll)


def test_a_token_shift_is_the_difference_of_its_shares(of_records: Scored) -> None:
    said = of_records[0]
    before, after = said["native"]["tokens"], said["tokens"]
    for row in said["token_shifts"]:
        assert row["change"] == pytest.approx(row["refined"] / after - row["native"] / before)
        assert row["change"] != 0


def test_score_shows_tables_of_tokens_on_stderr(records: Path, profile: str, tmp_path: Path) -> None:
    done = RUNNER.invoke(
        app, ["score", str(records), "--profile", profile, "-o", str(tmp_path / "out.jsonl")]
    )
    assert done.stdout == ""
    for heading in ("first quarter, native", "first quarter, refined", "native to refined"):
        assert heading in done.stderr


def test_broken_records_and_lines_of_another_kind_are_named(
    few: Path, records: Path, profile: str, tmp_path: Path
) -> None:
    good, solution = lines_of(records)[0], lines_of(few)[0]
    untold = {"refined": {"text": "something else", "steps": []}}
    rows = [good, good | {"schema": "idiolect.record/9"}, good | untold, good | {"native": None}, solution]
    done = invoked(written(tmp_path / "broken.jsonl", rows), "--profile", profile)
    assert (done.exit_code, json.loads(done.stdout)["n"]) == (3, 1)
    named = re.findall(r"^line (\d): (\w+): ", done.stderr, re.M)
    assert named == [("2", "schema"), ("3", "line"), ("4", "line"), ("5", "schema")]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["score", "IN", "--scorer", "oracle"], "--scorer"),
        (["score", "IN", "--profile", "PROFILE", "--scorer", "transformers"], "--scorer"),
        (["score", "IN", "--model", "some"], "--model"),
        (["score", "missing.jsonl", "--profile", "PROFILE"], "missing.jsonl"),
        (["score", "IN", "--profile", "nowhere"], "profile.json"),
        (["score", "IN"], "give at least 200"),
        (["profile", "IN", "--name", "x", "-o", "OUT", "--alpha", "2"], "alpha"),
        (["profile", "IN", "--name", "x", "-o", "OUT", "--scorer", "oracle"], "--scorer"),
        (["profile", "IN", "--name", "x", "-o", "OUT"], "give at least 200"),
        (["evaluate-style", "AUTHORS", "--native", NATIVE, "--other", "nobody"], SOCRATIC),
        (["evaluate-style", "IN", "--native", NATIVE, "--other", SOCRATIC], "line 1, authors"),
    ],
)
def test_bad_input_ends_with_2_and_names_the_field(
    few: Path, profile: str, tmp_path: Path, arguments: list[str], named: str
) -> None:
    places = {"IN": str(few), "PROFILE": profile, "OUT": str(tmp_path / "out"), "AUTHORS": str(AUTHORS)}
    done = RUNNER.invoke(app, [places.get(argument, argument) for argument in arguments])
    assert done.exit_code == 2, done.output
    assert named in done.stderr


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"authors": {}}, "line 1, problem"),
        ({"problem": "p", "authors": {"one": {"text": 1}}}, "line 1, authors.one"),
        ({"problem": "p", "authors": {"one": {"steps": ["a", 2]}}}, "line 1, authors.one"),
    ],
)
def test_a_bad_row_of_authors_is_named_by_its_field(tmp_path: Path, row: dict[str, Any], named: str) -> None:
    file = written(tmp_path / "rows.jsonl", [row])
    done = RUNNER.invoke(app, ["evaluate-style", str(file), "--native", "one", "--other", "two"])
    assert (done.exit_code, named in done.stderr) == (2, True)


@pytest.fixture(scope="module")
def two_authors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All problems that the repository holds of GPT-3 6B and of a human, enough for two fits."""
    rows = {row["problem"]: row for row in lines_of(AUTHORS)}
    for one in lines_of(DEMO):
        texts = {NATIVE: "\n".join(one["steps"]), SOCRATIC: one["reference"]}
        plain = {name: {"text": re.sub("<<.*?>>", "", text)} for name, text in texts.items()}
        rows.setdefault(one["problem"], {"problem": one["problem"], "authors": plain})
    return written(tmp_path_factory.mktemp("authors") / "authors.jsonl", list(rows.values()))


@pytest.mark.slow
def test_evaluate_style_tells_what_is_documented(two_authors: Path) -> None:
    arguments = ["evaluate-style", str(two_authors), "--native", NATIVE, "--other", SOCRATIC, "--json"]
    done = RUNNER.invoke(app, arguments)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert list(said) == ["auroc", "auroc_char6", "span_flag_native", "span_flag_other", "alpha", "n_spans"]
    assert said["auroc"] > 0.9
    assert said["span_flag_native"] < 0.15 < said["span_flag_other"]
    assert said["n_spans"] > 0
