import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.embedded.commands import evaluate_locator, locate

DATA = Path(__file__).parents[1] / "data" / "locators"
GROUPS = {"erroneous", "correct", "f1", "precision"}


def run(module, *arguments, stdin=None):
    app = typer.Typer()
    app.command()(module.command)
    return CliRunner().invoke(app, list(map(str, arguments)), input=stdin)


def few(tmp_path, count=12):
    lines = (DATA / "labelled.jsonl").read_bytes().splitlines(keepends=True)[:count]
    file = tmp_path / "few.jsonl"
    file.write_bytes(b"".join(lines))
    return file


def test_evaluating_a_locator_prints_one_line_of_json(tmp_path):
    printed = run(evaluate_locator, few(tmp_path), "--json").stdout
    assert set(json.loads(printed)) == GROUPS | {"wrong_answer", "right_answer"}


@pytest.mark.parametrize("rule", ["answer", "arithmetic", "reference"])
def test_every_rule_can_be_evaluated_alone(tmp_path, rule):
    printed = run(evaluate_locator, few(tmp_path, 4), "--json", "--locator", rule).stdout
    assert set(json.loads(printed)) >= GROUPS


def test_half_a_holds_none_of_the_shipped_samples(tmp_path):
    printed = run(evaluate_locator, few(tmp_path), "--json", "--half", "A").stdout
    assert json.loads(printed)["erroneous"] == {"n": 0, "accuracy": None}


def test_locating_writes_one_diagnosis_a_line(tmp_path):
    output = tmp_path / "out.jsonl"
    run(locate, few(tmp_path, 5), "-o", output)
    diagnoses = [json.loads(line) for line in output.read_bytes().splitlines()]
    assert [d["line"] for d in diagnoses] == [1, 2, 3, 4, 5]


def test_a_bad_line_is_named_and_the_rest_is_located(tmp_path):
    file = few(tmp_path, 2)
    file.write_bytes(b"not json\n" + file.read_bytes())
    result = run(locate, file, "--json")
    counts = json.loads(result.stdout.splitlines()[-1])
    assert (result.exit_code, counts["bad_lines"], sum(counts.values())) == (3, 1, 3)
