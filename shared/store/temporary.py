"""A file that is being written: beside its final name, never listed, and locked while its writer lives."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.errors import FieldError, UnavailableError
from shared.store.base import Payload, pieces
from shared.store.folders import DurableFolders, disk, labels

_BEGINNING = ".writing-"
_ROUNDS = 16
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK}


class Temporary:
    """One open temporary file in a folder of `root`."""

    def __init__(self, root: Path, folder: Path, folders: DurableFolders) -> None:
        self._root = root
        self.path = folder / f"{_BEGINNING}{uuid.uuid4().hex}"
        with disk(root):
            self._descriptor = self._opened(folders)
            _lock(self._descriptor)

    def fill(self, data: Payload) -> None:
        """Write all data down to the disk. What the data itself raises goes through."""
        for piece in pieces(data):
            rest = memoryview(piece)
            with disk(self._root):
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        with disk(self._root):
            os.fsync(self._descriptor)

    def link_to(self, final: Path) -> bool:
        """Give the file its final name unless that is taken. True: it is this file's now."""
        try:
            os.link(self.path, final)
        except FileExistsError:
            check_no_folder(final)
            # A network file system may repeat a link whose answer was lost, and then finds its own.
            return os.fstat(self._descriptor).st_nlink > 1
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise UnavailableError(
                    f"the store in {self._root} needs a file system with hard links"
                ) from error
            raise
        return True

    def close(self) -> None:
        """Close the file and remove its temporary name."""
        with disk(self._root):
            os.close(self._descriptor)
            self.path.unlink(missing_ok=True)

    def _opened(self, folders: DurableFolders) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        for _ in range(_ROUNDS):
            try:
                folders.make(self.path.parent)
                return os.open(self.path, flags, 0o666)
            except FileNotFoundError:
                # Somebody removed the folder, which was empty, between the two lines.
                continue
            except NotADirectoryError:
                raise FieldError(
                    "key", "lies below another key", "no key may be a folder of another"
                ) from None
        raise UnavailableError(f"{self.path.parent} is removed again and again while it is written to")


@contextmanager
def written(root: Path, final: Path, data: Payload, folders: DurableFolders) -> Iterator[Temporary]:
    """The data as a temporary file beside `final`, whole and on disk; gone afterwards, whatever happens."""
    check_no_folder(final)
    temporary = Temporary(root, final.parent, folders)
    try:
        temporary.fill(data)
        yield temporary
    finally:
        temporary.close()


def check_no_folder(final: Path) -> None:
    """FieldError where the name is that of a folder."""
    if final.is_dir():
        raise FieldError(
            "key", f"{final.name} is a folder of other keys", "no key may be a folder of another"
        )


def temporaries(folder: Path) -> Iterator[Path]:
    """All temporary files in a folder and below."""
    for label in labels(folder):
        if label.endswith("/"):
            yield from temporaries(folder / label)
        elif label.startswith(_BEGINNING):
            yield folder / label


def is_orphan(path: Path, oldest: float) -> bool:
    """Whether a temporary file was last touched before `oldest` (Unix seconds) and nobody here writes it."""
    with suppress(FileNotFoundError), path.open("r+b") as file:
        return os.fstat(file.fileno()).st_mtime < oldest and _lock(file.fileno())
    return False


def _lock(descriptor: int) -> bool:
    """Whether this process holds the lock now; the system takes it back when the process dies."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Without locks, age alone tells who is dead.
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
    return True
