"""Bodies of JSON Lines, compressed as they are sent, and lines cut out of what comes back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from shared.errors import FieldError

Line = bytes | str | Mapping[str, Any]
_PIECE = 64 << 10


def can_be_sent_again(lines: Path | Iterable[Line]) -> bool:
    """Whether the same lines come once more; an iterator is used up."""
    return not isinstance(lines, Iterator)


def zipped(lines: Path | Iterable[Line]) -> Iterator[bytes]:
    """The lines as gzip, in bounded memory. FieldError where the file can't be read."""
    packing = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    for piece in _of_file(lines) if isinstance(lines, Path) else map(_bytes, lines):
        packed = packing.compress(piece)
        if packed:
            yield packed
    yield packing.flush()


def _of_file(path: Path) -> Iterator[bytes]:
    with opened(path) as stream:
        while piece := stream.read(_PIECE):
            yield piece


def opened(path: Path) -> BinaryIO:
    """The file, to be read. FieldError where it can't be."""
    try:
        return path.open("rb")
    except OSError as error:
        raise FieldError(
            str(path), f"can't be read ({error.strerror})", "name a file of JSON Lines"
        ) from None


def _bytes(line: Line) -> bytes:
    if isinstance(line, Mapping):
        line = json.dumps(line, allow_nan=False)
    if isinstance(line, str):
        line = line.encode("utf-8")
    return line if line.endswith(b"\n") else line + b"\n"


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their breaks; only the last has none, where the text ends in the middle of a line."""
    rest: list[bytes] = []
    for chunk in chunks:
        head, sign, tail = chunk.rpartition(b"\n")
        if sign:
            yield from (line + sign for line in b"".join([*rest, head]).split(sign))
            rest = []
        rest.append(tail)
    if last := b"".join(rest):
        yield last
