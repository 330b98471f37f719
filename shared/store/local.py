"""Objects as files in a folder; a commit is one hard link, so it happens or doesn't."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from itertools import islice
from pathlib import Path

from shared.errors import NotFoundError, StoreError
from shared.store.base import CHUNK, PAGE, ConditionalPut, Payload
from shared.store.folders import DurableFolders, disk, in_order, labels, remove_if_empty, sync
from shared.store.keys import (
    checked_folder,
    checked_key,
    checked_page,
    checked_prefix,
    checked_reading,
    is_key,
)
from shared.store.temporary import is_orphan, temporaries, written


class LocalStore:
    """A Store in one folder, for the processes of one host or of one POSIX file system.

    The file system must have hard links and tell upper from lower case. A reader can see an object in the
    instant before its writer has made its name durable; whoever loses a race returns only after it is.
    A page of a listing reads each folder on its way once, so a folder of very many objects lists slowly.

    Args:
        root: the folder; made where it isn't there. UnavailableError where it can't be.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._folders = DurableFolders()
        with disk(self.root):
            self._folders.make(self.root)
        if not self.root.is_dir():
            raise StoreError(f"{self.root} is no folder; give the store one of its own")

    def put_if_absent(self, key: str, data: Payload) -> bool:
        """See Store."""
        final = self._path(key)
        if self.exists(key):
            won = False
        else:
            with written(self.root, final, data, self._folders) as temporary, disk(self.root):
                won = temporary.link_to(final)
        with disk(self.root):
            # The loser too: it may tell others what the winner has not yet made durable.
            sync(final.parent)
        return won

    def put(self, key: str, data: Payload) -> None:
        """See Store."""
        final = self._path(key)
        with written(self.root, final, data, self._folders) as temporary, disk(self.root):
            temporary.path.replace(final)
        with disk(self.root):
            sync(final.parent)

    def get(self, key: str) -> bytes:
        """See Store."""
        with self._open(key) as file, disk(self.root):
            return file.read()

    def stream(self, key: str, start: int = 0, chunk: int = CHUNK) -> Iterator[bytes]:
        """See Store."""
        checked_reading(start, chunk)
        return self._chunks(self._open(key), start, chunk)

    def size(self, key: str) -> int:
        """See Store."""
        with self._open(key) as file:
            return os.fstat(file.fileno()).st_size

    def exists(self, key: str) -> bool:
        """See Store."""
        with disk(self.root):
            return self._path(key).is_file()

    def list(self, prefix: str, after: str = "", limit: int = PAGE) -> list[str]:
        """See Store."""
        checked_page(after, limit)
        folder, slash, _ = checked_prefix(prefix).rpartition("/")
        with disk(self.root):
            return [*islice(self._keys(folder + slash, prefix, after), limit)]

    def delete(self, key: str) -> None:
        """See Store."""
        path = self._path(key)
        with disk(self.root), suppress(FileNotFoundError, NotADirectoryError):
            if not path.is_dir():
                path.unlink()
                sync(path.parent)

    def delete_all(self, prefix: str) -> int:
        """See Store; folders that are empty afterwards go too."""
        with disk(self.root):
            return self._emptied(self.root / checked_folder(prefix))

    def collect_orphans(self, older_than: float) -> int:
        """See Store. A file that a living process of this host still writes is left alone, however old."""
        oldest = time.time() - older_than
        with disk(self.root):
            found = [path for path in temporaries(self.root) if is_orphan(path, oldest)]
            for path in found:
                path.unlink(missing_ok=True)
            return len(found)

    def conditional_puts(self) -> tuple[ConditionalPut, ...]:
        """See Store."""
        return (self.put_if_absent,)

    def describe(self) -> str:
        """See Store."""
        return f"file:{self.root}"

    def _open(self, key: str) -> BufferedReader:
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFoundError(f"{key} is not in {self.describe()}") from None
        except OSError as error:
            raise StoreError(f"{key} in {self.describe()} can't be read: {error.strerror}") from error

    def _chunks(self, file: BufferedReader, start: int, chunk: int) -> Iterator[bytes]:
        with file:
            if start:
                file.seek(start)
            while data := self._read(file, chunk):
                yield data

    def _read(self, file: BufferedReader, chunk: int) -> bytes:
        with disk(self.root):
            return file.read(chunk)

    def _keys(self, base: str, prefix: str, after: str) -> Iterator[str]:
        """Keys below the folder `base` (empty, or ending with ``/``), in order."""

        def wanted(label: str) -> bool:
            full, is_folder = base + label, label.endswith("/")
            begins = full.startswith(prefix) or (is_folder and prefix.startswith(full))
            comes = full > after or (is_folder and after.startswith(full))
            return begins and comes and is_key(full.removesuffix("/"))

        for label in in_order(self.root / base, wanted):
            if label.endswith("/"):
                yield from self._keys(base + label, prefix, after)
            else:
                yield base + label

    def _emptied(self, folder: Path) -> int:
        """Removes all objects below a folder, and folders that are empty then; returns how many objects."""
        removed = 0
        for label in [*labels(folder)]:
            if label.endswith("/"):
                removed += self._emptied(folder / label)
            elif is_key(label):
                (folder / label).unlink(missing_ok=True)
                removed += 1
        remove_if_empty(folder)
        return removed

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)
