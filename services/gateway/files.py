"""Uploaded and written files in the store: the content first, then what makes the file be there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

from shared.errors import FieldError, IntegrityError, NotFoundError
from shared.jobs.ids import is_id, new_id, turned, turned_back
from shared.store import Store

FILE = "file"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a file. `created` in seconds since the epoch."""

    id: str
    size: int
    created: int
    filename: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one tenant."""

    store: Store
    tenant: str

    def write(
        self,
        chunks: Iterable[bytes],
        about: Callable[[], tuple[str, str]],
        file_id: str | None = None,
    ) -> StoredFile:
        """Store content, then its filename and purpose, which `about` tells once the content is read."""
        file_id = file_id or new_id(FILE)
        self.store.put_if_absent(self._content(file_id), chunks)
        filename, purpose = self._told(file_id, about)
        size = self.store.size(self._content(file_id))
        written = StoredFile(file_id, size, int(time.time()), filename, purpose)
        self.store.put(self._newest(file_id), b"")
        data = json.dumps(asdict(written), ensure_ascii=False).encode("utf-8", "backslashreplace")
        self.store.put_if_absent(self._meta(file_id), data)
        return self.get(file_id)

    def _told(self, file_id: str, about: Callable[[], tuple[str, str]]) -> tuple[str, str]:
        """What `about` tells; where it refuses, the content goes again."""
        try:
            return about()
        except FieldError:
            self.store.delete(self._content(file_id))
            raise

    def get(self, file_id: str) -> StoredFile:
        """The file. NotFoundError where this tenant has none of that id."""
        missing = f"file {file_id[:80]!r}: there is no such file; it may have been deleted"
        if not is_id(FILE, file_id):
            raise NotFoundError(missing)
        try:
            return StoredFile(**json.loads(self.store.get(self._meta(file_id))))
        except NotFoundError:
            raise NotFoundError(missing) from None
        except (ValueError, TypeError):
            raise IntegrityError(f"file {file_id}: what is known of it can't be read") from None

    def content(self, file_id: str) -> Iterator[bytes]:
        """Content of a file, in chunks."""
        return self.store.stream(self._content(self.get(file_id).id))

    def path(self, file_id: str) -> str:
        """Where its content is in the tenant's name space. NotFoundError where there is none."""
        return self._content(self.get(file_id).id).removeprefix(f"t/{self.tenant}/")

    def page(
        self, after: str | None, limit: int, *, purpose: str | None, oldest: bool
    ) -> Iterator[StoredFile]:
        """At most `limit` files behind the file `after`, newest first or oldest first."""
        found = 0
        for file_id in self._oldest(after or "") if oldest else self._latest(after):
            try:
                file = self.get(file_id)
            except NotFoundError:
                continue
            if purpose in (None, file.purpose):
                yield file
                found += 1
            if found == limit:
                return

    def delete(self, file_id: str) -> None:
        """Delete a file. NotFoundError where there is none."""
        self.discard(self.get(file_id).id)

    def ids(self) -> Iterator[str]:
        """All ids, oldest first, those too whose file is not there yet or never will be."""
        return self._oldest("")

    def discard(self, file_id: str) -> None:
        """Remove a file, or content that never became one."""
        self.store.delete(self._meta(file_id))
        self.store.delete(self._newest(file_id))
        self.store.delete(self._content(file_id))

    def _latest(self, after: str | None) -> Iterator[str]:
        prefix = self._newest_folder
        last = "" if after is None else prefix + turned(after)
        while keys := self.store.list(prefix, last, 200):
            yield from (turned_back(FILE, key.removeprefix(prefix)) for key in keys)
            last = keys[-1]

    def _oldest(self, after: str) -> Iterator[str]:
        """Ids in the order of the store, stepping over what a file consists of."""
        last = f"{self._folder}{after}0" if after else ""
        while keys := self.store.list(self._folder, last, 200):
            yield from dict.fromkeys(key.removeprefix(self._folder).split("/")[0] for key in keys)
            last = keys[-1].rpartition("/")[0] + "0"

    @property
    def _folder(self) -> str:
        return f"t/{self.tenant}/files/"

    @property
    def _newest_folder(self) -> str:
        return f"t/{self.tenant}/newest/files/"

    def _newest(self, file_id: str) -> str:
        return self._newest_folder + turned(file_id)

    def _meta(self, file_id: str) -> str:
        return f"{self._folder}{file_id}/meta"

    def _content(self, file_id: str) -> str:
        return f"{self._folder}{file_id}/content"
