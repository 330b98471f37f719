"""Tells texts that came before from new ones, for files larger than memory."""

from __future__ import annotations

import hashlib
import sqlite3
from types import TracebackType
from typing import Self

_BYTES = 16
_CACHE_KIB = 8_192


class Distinct:
    """The texts seen so far, as digests in a private SQLite file that is gone with its end.

    A digest has 16 bytes, so that two texts are taken for one with a chance of 1e-27 among a million. Memory
    is bounded by 8 MB of pages; the rest goes to the folder for temporary files, some 35 bytes a text. Use it
    as a context manager, from one thread.
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._base.execute("PRAGMA journal_mode = OFF")
        self._base.execute("PRAGMA temp_store = FILE")
        self._base.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")
        self._base.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def add(self, text: str) -> bool:
        """Note a text; whether it is new. sqlite3.OperationalError where the folder is full."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
        return self._base.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount == 1
