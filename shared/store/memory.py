"""Objects in the memory of this process: for tests, and for runs that keep nothing."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import islice, takewhile

from shared.errors import FieldError, NotFoundError
from shared.store.base import CHUNK, PAGE, ConditionalPut, Payload, pieces
from shared.store.keys import checked_folder, checked_key, checked_page, checked_prefix, checked_reading


class MemoryStore:
    """A Store that other processes don't see and that ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, bytes] = {}
        self._keys: list[str] = []

    def put_if_absent(self, key: str, data: Payload) -> bool:
        """See Store."""
        return self._keep(checked_key(key), b"".join(pieces(data)), replace=False)

    def put(self, key: str, data: Payload) -> None:
        """See Store."""
        self._keep(checked_key(key), b"".join(pieces(data)), replace=True)

    def get(self, key: str) -> bytes:
        """See Store."""
        try:
            return self._objects[checked_key(key)]
        except KeyError:
            raise NotFoundError(f"{key} is not in {self.describe()}") from None

    def stream(self, key: str, start: int = 0, chunk: int = CHUNK) -> Iterator[bytes]:
        """See Store."""
        checked_reading(start, chunk)
        data = self.get(key)
        return (data[at : at + chunk] for at in range(start, len(data), chunk))

    def size(self, key: str) -> int:
        """See Store."""
        return len(self.get(key))

    def exists(self, key: str) -> bool:
        """See Store."""
        return checked_key(key) in self._objects

    def list(self, prefix: str, after: str = "", limit: int = PAGE) -> list[str]:
        """See Store."""
        checked_page(after, limit)
        with self._lock:
            first = max(bisect_left(self._keys, checked_prefix(prefix)), bisect_right(self._keys, after))
            beginning = takewhile(lambda key: key.startswith(prefix), islice(self._keys, first, None))
            return [*islice(beginning, limit)]

    def delete(self, key: str) -> None:
        """See Store."""
        with self._lock:
            if self._objects.pop(checked_key(key), None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def delete_all(self, prefix: str) -> int:
        """See Store."""
        checked_folder(prefix)
        with self._lock:
            gone = [key for key in self._keys if key.startswith(prefix)]
            self._keys = [key for key in self._keys if not key.startswith(prefix)]
            for key in gone:
                del self._objects[key]
            return len(gone)

    def collect_orphans(self, older_than: float) -> int:
        """See Store; nothing is ever left behind."""
        return 0

    def conditional_puts(self) -> tuple[ConditionalPut, ...]:
        """See Store."""
        return (self.put_if_absent,)

    def describe(self) -> str:
        """See Store."""
        return "memory:"

    def _keep(self, key: str, data: bytes, *, replace: bool) -> bool:
        with self._lock:
            if key not in self._objects:
                self._check_place(key)
                insort(self._keys, key)
            elif not replace:
                return False
            self._objects[key] = data
            return True

    def _check_place(self, key: str) -> None:
        """FieldError where the key is a folder of another, or the other way round, as on a disk."""
        parts = key.split("/")
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        below = bisect_left(self._keys, f"{key}/")
        taken = [name for name in above if name in self._objects]
        taken += [name for name in self._keys[below : below + 1] if name.startswith(f"{key}/")]
        if taken:
            raise FieldError("key", f"{key} can't be beside {taken[0]}", "no key may be a folder of another")
