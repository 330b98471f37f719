"""Tells whoever started a process where it can be reached, once it can."""

from __future__ import annotations

import os
from pathlib import Path


def publish(address: str, path: Path | None) -> None:
    """Write the address as a whole, or nothing where nobody asked. OSError where it can't be written."""
    if path is None:
        return
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(address, encoding="utf-8")
    beside.replace(path)
