"""The pinned requirements: exact, complete for their extra, and without a build for a GPU by accident."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
SHIPPED = ("embedded", "gateway", "pipeline", "oracle", "student", "trainer")
FILES = sorted((ROOT / "requirements").glob("*.txt"))


def pins(name: str) -> dict[str, str]:
    """Name and version of every line, with those of an included file."""
    lines = (ROOT / "requirements" / name).read_text().split("\n")
    included = [pins(line.removeprefix("-r ")) for line in lines if line.startswith("-r ")]
    own = dict(line.split("==") for line in lines if "==" in line)
    return {key: version for part in (*included, own) for key, version in part.items()}


def canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~! ]", requirement)[0]).lower()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_requirement_is_pinned_exactly(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line]
    assert all(re.fullmatch(r"-r \w+\.txt|[a-z0-9-]+==(\d+!)?[\w.]+", line) for line in lines)


@pytest.mark.parametrize("extra", EXTRAS)
def test_everything_that_an_extra_asks_for_is_pinned(extra: str) -> None:
    asked = {canonical(requirement) for requirement in EXTRAS[extra]} - {"idiolect"}
    assert asked <= pins(f"{extra}.txt").keys()


def test_the_pipeline_image_holds_no_library_of_models_or_mathematics() -> None:
    assert not {"torch", "transformers", "numpy", "sympy"} & pins("pipeline.txt").keys()


def test_the_gateway_image_holds_no_heavy_library() -> None:
    assert not {"torch", "transformers", "numpy", "sympy", "pyarrow"} & pins("gateway.txt").keys()


def test_one_version_of_a_package_is_pinned_everywhere() -> None:
    found = {(name, version) for path in FILES for name, version in pins(path.name).items()}
    assert len(found) == len({name for name, _ in found})


def test_the_page_of_dependencies_tells_what_is_pinned() -> None:
    rows = (ROOT / "docs" / "dependencies.md").read_text().split("\n| ")[2:]
    told = {tuple(row.split(" | ")[:2]) for row in rows}
    shipped = {item for name in SHIPPED for item in pins(f"{name}.txt").items()}
    assert told == shipped, "run make sbom"
    assert not [row for row in rows if "not declared" in row]
