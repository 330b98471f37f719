"""The port of every artifact store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable


@runtime_checkable
class Store(Protocol):
    """Objects by key; safe to use from several threads and processes."""

    def put_if_absent(self, key: str, data: bytes | Iterable[bytes]) -> bool:
        """Write an object, whole or not at all; False where one of that key was there before."""
        ...

    def put(self, key: str, data: bytes | Iterable[bytes]) -> None:
        """Write or replace an object as a whole; for hints only."""
        ...

    def get(self, key: str) -> bytes:
        """The object. NotFoundError where there is none."""
        ...

    def stream(self, key: str, start: int = 0, chunk: int = 1 << 20) -> Iterator[bytes]:
        """The object from byte `start` on, in chunks. NotFoundError where there is none."""
        ...

    def size(self, key: str) -> int:
        """Bytes of the object. NotFoundError where there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        ...

    def list(self, prefix: str, after: str = "", limit: int = 1000) -> list[str]:
        """Keys that begin with `prefix` and sort behind `after`, at most `limit`, in byte order."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object, if it is there."""
        ...

    def delete_all(self, prefix: str) -> None:
        """Remove all objects whose keys begin with `prefix`."""
        ...
