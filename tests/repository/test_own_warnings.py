"""A warning that our own modules raise is an error in every test; the setting is tried, not believed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WARNING_TEST = """
import warnings

def test_that_warns():
    warnings.warn_explicit("old", DeprecationWarning, "x.py", 1, module={module!r})
"""


def ends_well(folder: Path, module: str) -> bool:
    """Whether a test passes, under the project's settings, in which `module` warns."""
    (folder / "test_warns.py").write_text(WARNING_TEST.format(module=module))
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command += ["-p", "no:cacheprovider", str(folder)]
    ended = subprocess.run(command, capture_output=True, cwd=folder, env=alone)
    return ended.returncode == 0


@pytest.mark.parametrize("module", ["shared", "shared.text.edits", "services.oracle.verifier.pool"])
def test_a_warning_from_our_own_module_is_an_error(tmp_path: Path, module: str) -> None:
    assert not ends_well(tmp_path, module)


@pytest.mark.parametrize("module", ["sympy.core", "sharedfolder"])
def test_a_warning_from_another_module_is_none(tmp_path: Path, module: str) -> None:
    assert ends_well(tmp_path, module)
