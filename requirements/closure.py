"""Prints the pinned closure of one extra, as installed in the environment that runs this.

Usage: ``.venv/bin/python requirements/closure.py EXTRA > requirements/EXTRA.txt`` after trying new versions.
Versions are public ones (no ``+cpu``), so that the same file serves CPU and GPU images.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = "idiolect"


def main(extra: str) -> None:
    """Print one ``name==version`` a line, sorted."""
    for name in sorted(closure(project_requirements(extra))):
        print(f"{name}=={version(name).split('+')[0]}")


def project_requirements(extra: str) -> list[Requirement]:
    """What an extra of this project asks for, extras within extras resolved."""
    declared = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: list[Requirement] = []
    for line in declared["optional-dependencies"][extra]:
        requirement = Requirement(line)
        nested = sorted(requirement.extras) if requirement.name == PROJECT else []
        found += [inner for name in nested for inner in project_requirements(name)]
        found += [] if nested else [requirement]
    return found


def closure(roots: Iterable[Requirement]) -> set[str]:
    """Canonical names of everything that the roots need in this environment."""
    todo, seen, names = list(roots), set(), set()
    while todo:
        requirement = todo.pop()
        key = (canonical(requirement.name), frozenset(requirement.extras))
        if key not in seen:
            seen.add(key)
            names.add(key[0])
            todo += applying(requirement)
    return names


def applying(requirement: Requirement) -> list[Requirement]:
    """The direct requirements of a distribution whose markers hold here."""
    declared = [Requirement(line) for line in requires(requirement.name) or ()]
    extras = {"", *requirement.extras}
    return [r for r in declared if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras)]


def canonical(name: str) -> str:
    """The normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main(sys.argv[1])
