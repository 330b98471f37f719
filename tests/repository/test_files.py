"""Habits that every tracked file keeps: no addresses of machines, no overlong code, no vague names."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTED = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout
TRACKED = [ROOT / name for name in LISTED.split("\0") if name and (ROOT / name).is_file()]
TEXTS = [path for path in TRACKED if b"\0" not in path.read_bytes()[:8000]]
GENERATED = ROOT / "shared" / "rpc" / "generated"
CODE = [path for path in TRACKED if path.suffix == ".py" and GENERATED not in path.parents]
# Problems and solutions of others may say anything.
WRITTEN_HERE = [path for path in TEXTS if path.suffix not in (".jsonl", ".json")]

# One letter stands in brackets, so that this file doesn't find itself.
REGISTRY = re.compile(r"p[y]pi\.org|p[y]thonhosted|--i[n]dex-url|--f[i]nd-links|download\.p[y]torch")
MACHINE = re.compile(r"(?<![\w.])/(w[o]rk/|h[o]me/\w|r[o]ot/|o[p]t/|U[s]ers/\w)")
VAGUE = {"utils.py", "common.py", "helpers.py", "manager.py"}


def holding(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """The files in which a pattern occurs."""
    return [named(path) for path in paths if pattern.search(path.read_text(encoding="utf-8"))]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[tuple[str, int]]:
    """Every function of a file with the lines of its body: a command's options are no code."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds))
    return [
        (f"{named(path)}:{node.name}", (node.end_lineno or 0) - node.body[0].lineno + 1) for node in found
    ]


def test_no_file_holds_the_address_of_a_package_registry() -> None:
    assert holding(REGISTRY, TEXTS) == []


def test_no_file_holds_a_path_of_a_developer_machine() -> None:
    assert holding(MACHINE, WRITTEN_HERE) == []


def test_no_file_of_code_is_longer_than_400_lines() -> None:
    assert [named(path) for path in CODE if len(path.read_text().splitlines()) > 400] == []


def test_no_function_is_longer_than_60_lines() -> None:
    assert [name for path in CODE for name, lines in functions(path) if lines > 60] == []


def test_no_file_has_a_vague_name() -> None:
    assert [named(path) for path in TRACKED if path.name in VAGUE] == []


def test_no_two_modules_of_the_tests_share_a_name() -> None:
    # They are imported by name alone, from whichever folder comes first on the path.
    named_alone = [path.name for path in CODE if path.is_relative_to(ROOT / "tests")]
    several = {name for name in named_alone if named_alone.count(name) > 1}
    assert several <= {"conftest.py", "__init__.py"}
