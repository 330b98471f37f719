"""Answers that are sent piece by piece from what a thread reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from starlette.responses import StreamingResponse

_PIECE = 64 << 10


def streamed(
    rows: Iterator[bytes], media_type: str, headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """Send rows in larger pieces. The first is read here, so that its errors still have a status."""
    first = next(rows, b"")
    return StreamingResponse(gathered(chain([first], rows)), media_type=media_type, headers=headers)


def gathered(rows: Iterable[bytes], size: int = _PIECE) -> Iterator[bytes]:
    """The same bytes in pieces of about `size`."""
    held: list[bytes] = []
    length = 0
    for row in rows:
        held.append(row)
        length += len(row)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)
