"""Folders on disk as the store needs them: made durably, read in the order of keys."""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import StoreError

BATCH = 1000
_MOST_REMEMBERED = 4096
_NO_SPACE = {errno.ENOSPC: "there is no space left", errno.EDQUOT: "the quota of its user is used up"}


@contextmanager
def disk(root: Path) -> Iterator[None]:
    """Turns every failure of the disk into an UnavailableError that names the folder."""
    try:
        yield
    except OSError as error:
        reason = _NO_SPACE.get(error.errno or 0) or error.strerror or str(error)
        raise StoreError(f"the store in {root} can't be used: {reason}") from error


class DurableFolders:
    """Makes folders that survive a power cut, and remembers which it has made safe."""

    def __init__(self) -> None:
        self._safe: set[Path] = set()

    def make(self, folder: Path) -> None:
        """Make a folder and those above it, each written down in the one above. OSError where it fails."""
        if folder in self._safe and folder.is_dir():
            return
        if folder.parent != folder:
            self.make(folder.parent)
            with suppress(FileExistsError):
                folder.mkdir()
            # One that was there already may have been made by a process that hasn't got to this line.
            sync(folder.parent)
        if len(self._safe) >= _MOST_REMEMBERED:
            self._safe.clear()
        self._safe.add(folder)


def sync(folder: Path) -> None:
    """Write the names in a folder to disk. OSError where that fails."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def labels(folder: Path) -> Iterator[str]:
    """The names in a folder, those of folders with ``/`` behind; none where it isn't there."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            yield f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def in_order(folder: Path, wanted: Callable[[str], bool]) -> Iterator[str]:
    """The wanted labels of a folder in the order of their bytes, with at most a batch of them in memory.

    Each batch reads the folder once.
    """
    last = ""
    while True:
        batch = heapq.nsmallest(BATCH, (name for name in labels(folder) if name > last and wanted(name)))
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1]


def remove_if_empty(folder: Path) -> None:
    """Make what was removed from a folder durable, and remove the folder too where nothing is left in it."""
    with suppress(FileNotFoundError, NotADirectoryError):
        sync(folder)
        try:
            folder.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            sync(folder.parent)
