"""Generates the Python side of the contract into ``shared/rpc/generated``.

``python proto/generate.py`` writes it; ``--check`` writes nothing and ends with 1 where it is not up to date.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent
TARGET = SOURCES.parent / "shared" / "rpc" / "generated"
PACKAGE = "shared.rpc.generated"
PLUGINS = ("mypy", "mypy_grpc")


def main(arguments: list[str]) -> int:
    """Generate, or check; 0 where all is well."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = generate(Path(folder) / "generated")
        if arguments == ["--check"]:
            return report(differences(fresh, TARGET))
        shutil.rmtree(TARGET, ignore_errors=True)
        shutil.copytree(fresh, TARGET)
    return 0


def generate(folder: Path) -> Path:
    """Run protoc into `folder`, and make what it wrote importable below `PACKAGE`."""
    folder.mkdir()
    files = sorted(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.proto"))
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "grpc_python", *PLUGINS)]
    scripts = Path(sysconfig.get_path("scripts"))
    plugins = [f"--plugin=protoc-gen-{name}={scripts / f'protoc-gen-{name}'}" for name in PLUGINS]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{SOURCES}", *plugins, *outputs, *files]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    for path in folder.rglob("*.py*"):
        path.write_text(moved(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        (path / "__init__.py").write_text('"""Generated from proto/; `make proto` writes it."""\n')
    return folder


def moved(code: str) -> str:
    """Code whose imports of the contract's own packages start at `PACKAGE`."""
    code = re.sub(r"^from idiolect\.", f"from {PACKAGE}.idiolect.", code, flags=re.MULTILINE)
    return re.sub(r"^import idiolect\.", f"import {PACKAGE}.idiolect.", code, flags=re.MULTILINE)


def differences(fresh: Path, kept: Path) -> list[str]:
    """Files that are missing, left over or different."""
    names = {
        path.relative_to(root) for root in (fresh, kept) for path in root.rglob("*.py*") if path.is_file()
    }
    names = {name for name in names if "__pycache__" not in name.parts}
    return sorted(str(name) for name in names if not same(fresh / name, kept / name))


def same(one: Path, other: Path) -> bool:
    """Whether both files are there and equal."""
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def report(changed: list[str]) -> int:
    """Say what is not up to date."""
    for name in changed:
        print(f"not up to date: {TARGET.name}/{name}; run `make proto`", file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
