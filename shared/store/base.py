"""The artifact store: the truth all processes agree on, as objects that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeAlias

Payload: TypeAlias = bytes | Iterable[bytes]
ConditionalPut: TypeAlias = Callable[[str, Payload], bool]

CHUNK = 1 << 20
PAGE = 1000


class Store(Protocol):
    """Objects of bytes under keys (`shared.store.keys`), ordered by their bytes.

    An object is seen whole or not at all, whatever dies while it is written, and stays once a put returned.
    A key must not be a folder of another key: a folder on disk can't hold both ``a`` and ``a/b``, and refuses
    the second; S3 can't notice it. All methods block, and may be called from any thread.

    FieldError for an impossible argument, UnavailableError where the network, the disk or its space fails.
    After an UnavailableError from a put its outcome is open: the object may be there. Put again, and where
    another has won then, read who it was. What an iterable of data raises goes through, and nothing is put.
    """

    def put_if_absent(self, key: str, data: Payload) -> bool:
        """Write an object unless its key is taken. True: this very call wrote it.

        Of all calls ever made for a key that is not deleted, one wins. Data of a call that loses may be left
        unread.
        """
        ...

    def put(self, key: str, data: Payload) -> None:
        """Write an object, or replace it as a whole; the last of several at once stays. For hints only."""
        ...

    def get(self, key: str) -> bytes:
        """The whole object. NotFoundError where there is none."""
        ...

    def stream(self, key: str, start: int = 0, chunk: int = CHUNK) -> Iterator[bytes]:
        """The object from byte `start`, in pieces of at most `chunk` bytes, all of one version of it; nothing
        beyond its end. NotFoundError at the call, not at the first piece."""
        ...

    def size(self, key: str) -> int:
        """Bytes of the object. NotFoundError where there is none."""
        ...

    def exists(self, key: str) -> bool:
        """Whether the key is taken."""
        ...

    def list(self, prefix: str, after: str = "", limit: int = PAGE) -> list[str]:
        """At most `limit` keys that begin with `prefix` and come after `after`, in the order of their bytes.

        Fewer than `limit` means that there are no more. Keys that are put or deleted while pages are asked
        for are seen or not; the others are seen once.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object; a key that is free stays free."""
        ...

    def delete_all(self, prefix: str) -> int:
        """Remove the objects whose keys begin with `prefix`, which ends with ``/``; returns how many.

        Objects that are put meanwhile may stay.
        """
        ...

    def collect_orphans(self, older_than: float) -> int:
        """Remove what dead writers left behind and nobody ever saw; returns how many.

        Args:
            older_than: seconds since it was last touched; let it be longer than the longest put.
        """
        ...

    def conditional_puts(self) -> tuple[ConditionalPut, ...]:
        """Every way in which this store puts if absent, so that each can be proved at the start."""
        ...

    def describe(self) -> str:
        """Where the objects are, for people; holds no secret."""
        ...


def pieces(data: Payload) -> Iterator[bytes]:
    """The data piece by piece."""
    return iter((data,) if isinstance(data, bytes) else data)


def every_key(store: Store, prefix: str, page: int = PAGE, after: str = "") -> Iterator[str]:
    """All keys that begin with `prefix` and come after `after`, in order, one page at a time in memory."""
    keys = store.list(prefix, after, page)
    while keys:
        yield from keys
        keys = store.list(prefix, after=keys[-1], limit=page) if len(keys) == page else []
