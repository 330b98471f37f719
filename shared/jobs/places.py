"""Places in S3 that belong to a caller: where a job reads its lines, and where it writes what came of them.

An address is taken as it is written: plain segments without dots at their beginning, nothing is decoded and
nothing is resolved, so that what begins with an allowed prefix lies below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.errors import FieldError
from shared.store import Store, open_store
from shared.store.keys import is_key

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, and the name of an object in it; of a folder, with ``/`` at its end."""

    bucket: str
    name: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.name}"

    @classmethod
    def of_object(cls, field: str, address: str) -> Place:
        """The object of an address that the caller gave as `field`; FieldError where it names none."""
        found = _ADDRESS.fullmatch(address)
        if found is None or not is_key(found[2]):
            raise FieldError(field, f"{address[:80]!r} names no object", "give s3://BUCKET/PLAIN/SEGMENTS")
        return cls(found[1], found[2])

    @classmethod
    def of_folder(cls, field: str, address: str) -> Place:
        """The folder of an address, which ends with ``/``; FieldError where it names none."""
        if not address.endswith("/"):
            raise FieldError(field, f"{address[:80]!r} is no folder", "end it with '/'")
        found = cls.of_object(field, address[:-1])
        return cls(found.bucket, f"{found.name}/")

    def is_within(self, folders: Iterable[Place]) -> bool:
        """Whether it lies below one of these folders, or is one."""
        return any(self.bucket == one.bucket and self.name.startswith(one.name) for one in folders)

    def overlaps(self, other: Place) -> bool:
        """Whether one of two folders lies in the other."""
        return self.is_within([other]) or other.is_within([self])

    def store(self) -> Store:
        """The whole bucket, in which `name` is a key."""
        return open_store(f"s3://{self.bucket}")

    def folder(self) -> Store:
        """What lies below a folder, and nothing else."""
        return open_store(f"s3://{self.bucket}/{self.name}")
