"""What must stay light is imported whole in a fresh process, which then tells what came along."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "vllm",
    "trl",
    "numpy",
    "sympy",
    "math_verify",
    "pyarrow",
    "pandas",
    "scipy",
)
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in sys.argv[1].split(","):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(getattr(package, "__path__", ()), name + "."):
        importlib.import_module(module.name)
print(*sorted({module.split(".")[0] for module in sys.modules}))
"""


def loaded_by(packages: str) -> set[str]:
    """Top-level names of all modules that are loaded once every module of the packages is imported."""
    command = [sys.executable, "-c", IMPORT_ALL, packages]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "packages",
    [
        "shared",
        "services.pipeline",
        "services.gateway",
        "services.embedded.cli",
        "services.embedded.commands",
    ],
)
def test_every_module_imports_without_a_heavy_library(packages: str) -> None:
    assert loaded_by(packages).isdisjoint(HEAVY)


def test_the_check_itself_sees_a_heavy_library() -> None:
    assert "pyarrow" in loaded_by("shared,pyarrow.lib")
