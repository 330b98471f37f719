"""Output files that are written in place: locked against a second process, cut and appended to durably."""

from __future__ import annotations

import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Self

from shared.errors import InputError


class Opened(ABC):
    """What holds files open; use as a context manager. All is closed again, also where opening fails."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    @abstractmethod
    def _open(self) -> None:
        """Enter into `_stack` all that is to be closed again."""

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def lock(path: Path) -> BinaryIO:
    """The file at `path`, open in place and locked. Raises InputError where another process holds it."""
    stream = open_in_place(path)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise InputError(f"another process is writing {path}; wait for it or name another output") from None
    return stream


def open_in_place(path: Path) -> BinaryIO:
    """For reading and writing at any place, made where it doesn't exist."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def write_at(stream: BinaryIO, size: int, pieces: Iterable[bytes]) -> None:
    """Makes `pieces` what follows the first `size` bytes, durably."""
    stream.seek(size)
    stream.truncate(size)
    for piece in pieces:
        stream.write(piece)
    stream.flush()
    os.fsync(stream.fileno())
