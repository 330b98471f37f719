"""The documents name what is there: every command with its options, every module, no file that is missing."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
import typer

from services.embedded.cli import COMMANDS
from shared.jobs.stall import CAUSES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "services" / "embedded" / "commands"
THERE = sorted({name for name in COMMANDS if (FOLDER / f"{name.replace('-', '_')}.py").is_file()})
DOCUMENTS = ["README.md", "ARCHITECTURE.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", (ROOT / "docs/cli.md").read_text(), re.M | re.S))


def options(name: str) -> list[str]:
    """The long options of a command."""
    app = typer.Typer(add_completion=False)
    app.command()(import_module(f"services.embedded.commands.{name.replace('-', '_')}").command)
    given = (option for parameter in typer.main.get_command(app).params for option in parameter.opts)
    return [option for option in given if option.startswith("--")]


@pytest.mark.parametrize("name", THERE)
def test_a_command_is_documented_with_all_its_options(name: str) -> None:
    assert [option for option in options(name) if f"`{option}`" not in SECTIONS.get(name, "")] == []


@pytest.mark.parametrize("name", sorted(SECTIONS.keys() - {"Input", "Exit"}))
def test_what_is_documented_as_a_command_is_one(name: str) -> None:
    assert name in THERE


def test_every_module_stands_in_the_file_tree() -> None:
    tree = (ROOT / "ARCHITECTURE.md").read_text()
    modules = [path for house in ("shared", "services") for path in (ROOT / house).rglob("*.py")]
    written = (path for path in modules if "generated" not in path.parts)
    named = (path for path in written if path.name != "__init__.py")
    assert [str(path) for path in named if not re.search(rf"^  {path.name}\s", tree, re.M)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_links_to_is_there(document: str) -> None:
    text = (ROOT / document).read_text()
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text)
    assert [
        link for link in links if "://" not in link and not (ROOT / document).parent.joinpath(link).exists()
    ] == []


def test_the_edit_of_the_record_in_the_readme_fits_its_text() -> None:
    shown = re.search(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    record = json.loads(shown[1]) if shown else {}
    start, end = record["edits"][0]["span"]
    assert record["native"]["text"][start:end] == record["edits"][0]["before"]


def test_every_cause_of_a_stall_is_explained_and_no_other() -> None:
    section = re.search(
        r"^## When a job stands still\n(.*?)^## ", (ROOT / "docs/operators.md").read_text(), re.M | re.S
    )
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", section[1] if section else "", re.M)
    assert sorted(cause for cause, _ in rows) == sorted(CAUSES)
    assert all(len(cell) > 20 for _, row in rows for cell in row.split("|"))


def test_what_the_documents_tell_operators_to_look_at_is_there() -> None:
    text = (ROOT / "docs/operators.md").read_text()
    metrics = "".join((ROOT / f"docs/{name}.md").read_text() for name in ("metrics", "services"))
    services = (ROOT / "docs/services.md").read_text() + (ROOT / "docs/gateway.md").read_text()
    assert [name for name in set(re.findall(r"idiolect_[a-z_]+(?=`)", text)) if name not in metrics] == []
    variables = set(re.findall(r"IDIOLECT_(?:ORACLE|STUDENT|GATEWAY)_[A-Z_]+", text))
    assert [name for name in variables if name not in services] == []
