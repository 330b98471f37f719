"""Undoes ``Content-Encoding`` piece by piece: a small body that unfolds to a huge one is never held whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

import zstandard

from services.gateway.errors import HttpError

PIECE = 256 << 10
# A block of zstd that repeats one byte makes 128 KiB of four bytes.
_SLICE = 64
_LARGEST_WINDOW = 8 << 20


class Decoder(Protocol):
    """Undoes one encoding of one body."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes unfold to, in pieces. HttpError 400 where they are broken."""
        ...

    def end(self) -> None:
        """No more bytes come. HttpError 400 where some are missing."""
        ...


class Plain:
    """No encoding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bytes themselves."""
        yield data

    def end(self) -> None:
        """It may end anywhere."""


class Gzip:
    """Gzip, also several members one after the other."""

    def __init__(self) -> None:
        self._inflating = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """See `Decoder`."""
        while data:
            if self._inflating.eof:
                self._inflating = zlib.decompressobj(zlib.MAX_WBITS | 16)
            self._begun = True
            try:
                piece = self._inflating.decompress(data, PIECE)
            except zlib.error as error:
                raise _broken("gzip", str(error)) from None
            data = self._inflating.unconsumed_tail or self._inflating.unused_data
            if piece:
                yield piece

    def end(self) -> None:
        """See `Decoder`."""
        if not self._begun or not self._inflating.eof:
            raise _broken("gzip", "it ends early")


class Zstd:
    """Zstandard with a window of at most 8 MiB; one frame or several."""

    def __init__(self) -> None:
        self._making = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        self._unfolding = self._making.decompressobj()
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """See `Decoder`."""
        for at in range(0, len(data), _SLICE):
            yield from self._slice(data[at : at + _SLICE])

    def _slice(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._unfolding.eof:
                self._unfolding = self._making.decompressobj()
            self._begun = True
            try:
                piece = self._unfolding.decompress(data)
            except zstandard.ZstdError as error:
                raise _broken("zstd", str(error)) from None
            data = self._unfolding.unused_data if self._unfolding.eof else b""
            if piece:
                yield piece

    def end(self) -> None:
        """See `Decoder`."""
        if not self._begun or not self._unfolding.eof:
            raise _broken("zstd", "it ends early")


def decoder_for(encoding: str) -> Decoder:
    """The decoder of a ``Content-Encoding``. HttpError 415 where there is none."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return Plain()
    if name in ("gzip", "x-gzip"):
        return Gzip()
    if name == "zstd":
        return Zstd()
    message = f"Content-Encoding: {name[:40]!r} is unknown; send gzip, zstd or none"
    raise HttpError(415, message, "unsupported_encoding", param="Content-Encoding")


def _broken(name: str, problem: str) -> HttpError:
    message = f"body: isn't valid {name} ({problem}); send it whole, or without Content-Encoding"
    return HttpError(400, message, "invalid_encoding", param="body")
