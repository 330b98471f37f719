"""The study's folder: each piece of work is one file, put in place whole, that names what it was made of.

The first line of a file is ``{"schema", "made_of", "digest"}``; the lines behind it are the content. A piece
that is there is never made again. One that was made of something else is refused, or removed where the caller
wants that; pieces that a change does not touch stay.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import DriftError, IntegrityError
from shared.identity import Setting, digest_of, flat
from shared.jsonl import decode_object, dump_line

SCHEMA = "idiolect.study/1"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Pieces below a folder; `fresh` removes pieces that were made of something else."""

    folder: Path
    fresh: bool = False

    def within(self, name: str) -> Shelf:
        """A folder in this one."""
        return Shelf(self.folder / name, self.fresh)

    def path(self, key: str) -> Path:
        """Where a piece stands."""
        return self.folder / f"{key}.jsonl"

    def has(self, key: str, made_of: Mapping[str, Any]) -> bool:
        """Whether the piece is there, made of just that; DriftError where it was made of something else."""
        path = self.path(key)
        if not path.is_file():
            return False
        head, now = _head(path), flat(made_of)
        if head["digest"] == digest_of(now):
            return True
        if self.fresh:
            path.unlink()
            return False
        raise DriftError(_differences(str(path.relative_to(self.folder)), head["made_of"], now))

    def keep(self, key: str, made_of: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
        """Put a piece in place, whole or not at all."""
        path, told = self.path(key), flat(made_of)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        with draft.open("wb") as stream:
            stream.write(dump_line({"schema": SCHEMA, "made_of": told, "digest": digest_of(told)}))
            stream.writelines(dump_line(line) for line in lines)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)

    def lines(self, key: str) -> Iterator[dict[str, Any]]:
        """The content of a piece that is there."""
        with self.path(key).open("rb") as stream:
            stream.readline()
            for line in stream:
                # Unlike a caller's line, a sample may hold any character that a model came up with.
                yield json.loads(line)

    def first(self, key: str) -> dict[str, Any]:
        """The only line of a piece."""
        return next(self.lines(key))

    def digest(self, key: str) -> str:
        """sha256 over the whole piece, the first 16 hexadecimal digits; what later pieces are made of."""
        return hashlib.sha256(self.path(key).read_bytes()).hexdigest()[:16]


def _head(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        head = decode_object(stream.readline())
    if head.get("schema") != SCHEMA:
        raise IntegrityError(f"{path} is no {SCHEMA} file; take another folder for the study")
    return head


def _differences(name: str, before: Mapping[str, Setting], now: Mapping[str, Setting]) -> tuple[str, ...]:
    names = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return tuple(f"{name}, {key}: {before.get(key, 'absent')} -> {now.get(key, 'absent')}" for key in names)
