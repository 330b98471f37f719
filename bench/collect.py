"""Runs every benchmark of this folder and checks what each one prints as its last line.

``python -m bench.collect [NAME ...]`` prints a table on stderr and, as its own last line on stdout, one
JSON object ``{"name", "value", "unit", "bar", "ok"}`` like every benchmark does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
FIELDS = frozenset({"name", "value", "unit", "bar", "ok"})


@dataclass(frozen=True)
class Line:
    """A benchmark's last line, or why there is none (`problem`)."""

    name: str
    value: float | None
    unit: str
    bar: float | str | None
    ok: bool
    problem: str | None = None


def main(names: list[str]) -> int:
    """Run the named benchmarks (default: all of them) one after the other; 0 if each is within its bar."""
    lines = [show(run(name)) for name in names or scripts()]
    good = sum(line.ok for line in lines)
    summary = {"name": "bench", "value": good, "unit": "benchmarks within their bar", "bar": len(lines)}
    print(json.dumps({**summary, "ok": good == len(lines)}))
    return 0 if good == len(lines) else 1


def scripts() -> list[str]:
    """Names of the benchmarks: modules of this folder with a main guard, without this one."""
    files = (path for path in sorted(FOLDER.glob("*.py")) if path != Path(__file__))
    return [path.stem for path in files if "__main__" in path.read_text(encoding="utf-8")]


def run(name: str) -> Line:
    """One benchmark in a process of its own; what it says on stderr goes through."""
    print(f"bench.{name} ...", file=sys.stderr, flush=True)
    ended = subprocess.run(
        [sys.executable, "-m", f"bench.{name}"], stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent
    )
    line = last_line(name, ended.stdout)
    if ended.returncode and line.ok:
        return broken(name, f"ended with exit code {ended.returncode}")
    return line


def last_line(name: str, output: str) -> Line:
    """The last printed line as a `Line`; a malformed one is a failed benchmark."""
    lines = output.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or not found.keys() >= FIELDS:
        return broken(name, f"the last line is no JSON object with {sorted(FIELDS)}")
    if not (isinstance(found["value"], int | float) or _not_run(found)) or not isinstance(found["ok"], bool):
        return broken(name, "value must be a number (null only with the unit 'not run: WHY'), ok a boolean")
    return Line(str(found["name"]), found["value"], str(found["unit"]), found["bar"], found["ok"])


def _not_run(found: dict[str, Any]) -> bool:
    """Whether a benchmark says that it can't be run here, and why."""
    return found["value"] is None and str(found["unit"]).startswith("not run: ")


def broken(name: str, problem: str) -> Line:
    """A failed line that says what is wrong with the benchmark itself."""
    return Line(name, None, "", None, ok=False, problem=problem)


def show(line: Line) -> Line:
    """Print one row of the table."""
    figure = line.unit if line.value is None else f"{line.value} {line.unit} (bar {line.bar})"
    mark = "MISS" if not line.ok else "ok  " if line.value is not None else "-   "
    print(f"  {mark} {line.name}: {line.problem or figure}", file=sys.stderr, flush=True)
    return line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
