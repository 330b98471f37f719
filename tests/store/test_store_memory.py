"""Big objects go through in a small, fixed footprint."""

from __future__ import annotations

import subprocess
import sys

THROUGH = """
import hashlib, re, sys
from pathlib import Path
from shared.store import open_store

PIECES, PIECE = 200, 1_000_000

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

def data(seen):
    for number in range(PIECES):
        piece = bytes([number]) * PIECE
        seen.update(piece)
        yield piece

store = open_store(sys.argv[1])
store.put("small", b"x")
store.get("small")
before = peak()
written, read = hashlib.sha256(), hashlib.sha256()
assert store.put_if_absent("big", data(written))
for piece in store.stream("big"):
    read.update(piece)
assert written.digest() == read.digest() and store.size("big") == PIECES * PIECE
print(peak() - before)
"""


def test_200_megabytes_go_in_and_out_in_less_than_40(url: str, child_environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", THROUGH, url]
    ended = subprocess.run(command, capture_output=True, text=True, env=child_environment)
    assert float(ended.stdout or "inf") < 40, ended.stderr
