"""What a key of the store may be: a relative path of plain segments, the same for every store."""

from __future__ import annotations

import re

from shared.errors import FieldError

LONGEST_KEY = 512
LONGEST_SEGMENT = 255
_SEGMENT = re.compile(r"[A-Za-z0-9_@=-][A-Za-z0-9._@=-]*")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_@=-][A-Za-z0-9._@=-]*/)*(?:[A-Za-z0-9_@=-][A-Za-z0-9._@=-]*)?")
_CURE = (
    "use segments of A-Z a-z 0-9 . _ @ = - joined by '/', none empty, none beginning with a dot, "
    f"at most {LONGEST_SEGMENT} bytes each and {LONGEST_KEY} in all"
)


def is_key(text: str) -> bool:
    """Whether a text can be a key. A dot at the beginning is kept for what must never be listed."""
    segments = text.split("/")
    plain = all(_SEGMENT.fullmatch(segment) and len(segment) <= LONGEST_SEGMENT for segment in segments)
    return plain and len(text) <= LONGEST_KEY


def checked_key(key: str) -> str:
    """The key itself. FieldError where it can't be one."""
    if not is_key(key):
        raise FieldError("key", f"{key[:80]!r} is no key", _CURE)
    return key


def checked_prefix(prefix: str) -> str:
    """The beginning of keys, empty for all of them. FieldError where no key can begin like this."""
    if not _PREFIX.fullmatch(prefix) or len(prefix) > LONGEST_KEY:
        raise FieldError("prefix", f"{prefix[:80]!r} begins no key", _CURE)
    return prefix


def checked_folder(prefix: str) -> str:
    """A prefix that ends with ``/``, so that ``jobs/1/`` can't take ``jobs/10`` along; else FieldError."""
    if not prefix.endswith("/"):
        raise FieldError("prefix", f"{prefix[:80]!r} is no folder", "end it with '/'")
    return checked_prefix(prefix)


def checked_page(after: str, limit: int) -> None:
    """FieldError where a page can't be listed."""
    if limit < 1:
        raise FieldError("limit", f"is {limit}", "give a whole number from 1")
    if not after.isascii():
        raise FieldError("after", f"{after[:80]!r} is no key", "give the last key of the page before")


def checked_reading(start: int, chunk: int) -> None:
    """FieldError where no bytes can be read so."""
    if start < 0:
        raise FieldError("start", f"is {start}", "give a whole number of bytes from 0")
    if chunk < 1:
        raise FieldError("chunk", f"is {chunk}", "give a whole number of bytes from 1")
