"""Which store an address means."""

from __future__ import annotations

import re
from pathlib import Path

from shared.errors import FieldError
from shared.store.base import Store
from shared.store.keys import is_key
from shared.store.local import LocalStore
from shared.store.memory import MemoryStore
from shared.store.s3_client import S3Limits

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)


def open_store(url: str, limits: S3Limits | None = None) -> Store:
    """Open ``file:/a/folder``, ``memory:`` or ``s3://bucket/a/prefix``.

    A relative folder starts where the process stands, so give processes that shall meet an absolute one.
    Every ``memory:`` is a store of its own. FieldError for another address, UnavailableError where a folder
    can't be made; S3 is asked only when it is used.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "file" and rest.strip("/"):
        return LocalStore(Path(re.sub(r"^//(?=/)", "", rest)))
    if url == "memory:":
        return MemoryStore()
    if scheme == "s3":
        return _open_s3(url, limits)
    raise FieldError("store", f"{url!r} is no store", "give file:/a/folder, s3://bucket/prefix or memory:")


def _open_s3(url: str, limits: S3Limits | None) -> Store:
    from shared.store.s3 import S3Store

    found = _S3.fullmatch(url)
    prefix = ((found and found[2]) or "").rstrip("/")
    if not found or (prefix and not is_key(prefix)):
        raise FieldError(
            "store", f"{url!r} names no place in S3", "give s3://bucket/prefix of plain segments"
        )
    return S3Store(found[1], f"{prefix}/" if prefix else "", limits)
