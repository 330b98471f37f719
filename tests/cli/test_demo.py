"""What the demo does with the results of another version."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from services.embedded.cli import app
from services.embedded.demonstration import refined
from services.pipeline.refinement.settings import ALGORITHM

CHANGED = f"settings.algorithm: 0 -> {ALGORITHM}"
SOURCE = Path("data/demo/gpt3_6b.jsonl")


@pytest.fixture(scope="module")
def stale(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of a run whose search was another one."""
    output = tmp_path_factory.mktemp("demo") / "gpt3_6b.jsonl"
    refined(SOURCE, output, Console(file=io.StringIO()))
    state = output.with_name(f"{output.name}.run.json")
    told = state.read_text("utf-8")
    state.write_text(told.replace(f'"settings.algorithm": {ALGORITHM}', '"settings.algorithm": 0'), "utf-8")
    assert state.read_text("utf-8") != told
    return output


def test_a_command_that_refuses_to_go_on_says_how_to_begin_anew(stale: Path) -> None:
    done = CliRunner().invoke(app, ["refine", str(SOURCE), "-o", str(stale), "--tokens", "--name", "gpt3_6b"])
    assert done.exit_code == 4
    assert CHANGED in done.stderr
    assert "--fresh" in done.stderr


def test_the_demo_makes_results_of_another_version_anew(stale: Path) -> None:
    said = io.StringIO()
    records = refined(SOURCE, stale, Console(file=said, width=500))
    assert CHANGED in said.getvalue()
    assert len(records) == len(SOURCE.read_bytes().splitlines())
    assert json.loads(stale.with_name(f"{stale.name}.run.json").read_bytes())
