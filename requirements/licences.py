"""Prints the table of ``docs/dependencies.md``: every package of every image, its version and its licence.

Usage: ``make sbom``, which has CycloneDX look at the environment first and hands its answer to this.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
# Each image by the file of its pinned packages; `embedded` is what `make setup` installs to run on a laptop.
SHIPPED = ("embedded", "gateway", "pipeline", "oracle", "student", "trainer")
_LONGEST = 60
HEAD = """# Dependencies and licences

Every package that an image holds, pinned, with the licence that it declares. This page is written by
`make sbom`, which also writes bills of materials in CycloneDX's format to `out/sbom`: one of the whole
environment with licences, and one an image. `embedded` is what `make setup` installs to run on a laptop.
`idiolect-vllm` is not in the table: its packages are pinned in `requirements/vllm`. The images' base, Debian
and Python, has its own. `make audit` asks for known vulnerabilities of all that is pinned; it needs the
internet, and fails where it can't ask.
"""


def main(bom: str) -> None:
    """Print the table; 1 where a package is pinned that the environment lacks."""
    found = {canonical(one["name"]): one for one in json.loads(Path(bom).read_text())["components"]}
    where, versions = shipped()
    if missing := sorted(set(where) - set(found)):
        sys.exit(f"pinned, and not in the environment: {', '.join(missing)}; run make setup")
    print(HEAD)
    print("| package | version | licence | in |")
    print("|---|---|---|---|")
    for name in sorted(where):
        print(f"| {name} | {versions[name]} | {licence(found[name])} | {', '.join(where[name])} |")


def shipped() -> tuple[dict[str, list[str]], dict[str, str]]:
    """(images of each package, version of each package), by canonical name."""
    where: dict[str, list[str]] = defaultdict(list)
    versions: dict[str, str] = {}
    for image in SHIPPED:
        for line in (FOLDER / f"{image}.txt").read_text().split():
            name, _, version = line.partition("==")
            where[name].append(image)
            versions[name] = version
    return where, versions


def canonical(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence(component: dict[str, Any]) -> str:
    """As the package declares it: SPDX where it does, else its classifier, else what its author wrote."""
    told = {_one(entry) for entry in component.get("licenses", ())}
    spdx = {one for one in told if " :: " not in one}
    named = spdx or {one.rpartition(" :: ")[2] for one in told}
    return " and ".join(sorted(named)) or _written(component["name"])


def _one(entry: dict[str, Any]) -> str:
    if "expression" in entry:
        return str(entry["expression"])
    return str(entry["license"].get("id") or entry["license"]["name"])


def _written(name: str) -> str:
    try:
        text = metadata(name).get("License") or ""
    except PackageNotFoundError:
        text = ""
    first = text.strip().split("\n")[0]
    return first if 0 < len(first) <= _LONGEST else "not declared"


if __name__ == "__main__":
    main(sys.argv[1])
