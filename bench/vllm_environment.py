"""Finds the environment in which vLLM is installed, since it needs packages of other versions."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"


def with_vllm(name: str, main: Callable[[], int]) -> int:
    """Run a benchmark where vLLM is: here, else in ``.venv-vllm``; else say that it was not run."""
    if importlib.util.find_spec("vllm") is not None:
        return main()
    if PYTHON.is_file():
        return subprocess.run([str(PYTHON), "-m", f"bench.{name}", *sys.argv[1:]], cwd=ROOT).returncode
    print(f"no vLLM here nor in {PYTHON.parents[1].name}: make test-vllm makes it", file=sys.stderr)
    print(not_run(name))
    return 0


def not_run(name: str) -> str:
    """The last line of a benchmark that can't be run here."""
    figures = {"name": name, "value": None, "unit": "not run: vllm is not installed", "bar": None, "ok": True}
    return json.dumps(figures)
