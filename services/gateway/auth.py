"""Who asks: bearer keys, of which only digests are kept, and a name space for each tenant."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.errors import FieldError

LOCAL = "local"
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant and what it may do; `requests_per_minute` None: as everybody."""

    tenant: str
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """The sha256 of a key, and whose it is."""

    caller: Caller
    digest: str


class Keys:
    """All keys of a gateway; with none, everybody is the tenant ``local``."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def caller(self, token: str | None) -> Caller | None:
        """Whose token it is; None where it is nobody's. Takes equally long whichever key it is."""
        if not self._keys:
            return Caller(LOCAL)
        digest = digest_of_key(token or "")
        found: Caller | None = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key.caller
        return found


def digest_of_key(token: str) -> str:
    """What is stored of a key. Keys are random and long, so that no slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def new_key() -> str:
    """A key with 256 random bits."""
    return f"idk_{secrets.token_urlsafe(32)}"


def read_keys(listed: str, file: Path | None) -> Keys:
    """Keys of a list ``TENANT:SHA256,...`` and of a file. FieldError names what can't be used."""
    keys = [*_listed(listed), *(_filed(file) if file is not None else ())]
    digests = {key.digest for key in keys}
    if len(digests) != len(keys):
        raise FieldError("keys", "hold one digest twice", "give every tenant a key of its own")
    return Keys(keys)


def _listed(text: str) -> Iterator[Key]:
    for part in filter(None, (part.strip() for part in text.split(","))):
        tenant, _, digest = part.partition(":")
        yield _key("IDIOLECT_GATEWAY_KEYS", tenant, digest)


def _filed(path: Path) -> Iterator[Key]:
    """Keys of lines ``{"tenant": ..., "sha256": ..., "requests_per_minute": ...}``."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise FieldError("key_file", f"{path} can't be read ({error.strerror})", "name a file") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _of_line(f"{path}:{number}", line)


def _of_line(place: str, line: str) -> Key:
    try:
        item = json.loads(line)
    except ValueError:
        item = None
    if not isinstance(item, dict):
        raise FieldError(place, "is no JSON object", 'write {"tenant": "NAME", "sha256": "..."}')
    rate = item.get("requests_per_minute")
    if rate is not None and (not isinstance(rate, int) or isinstance(rate, bool) or rate < 1):
        raise FieldError(f"{place}: requests_per_minute", f"is {rate!r}", "give a whole number from 1")
    return _key(place, item.get("tenant"), item.get("sha256"), rate)


def _key(place: str, tenant: object, digest: object, rate: int | None = None) -> Key:
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        cure = "use up to 32 small letters, digits and dashes"
        raise FieldError(f"{place}: tenant", f"is {tenant!r}", cure)
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        cure = "make one with: python -m services.gateway key TENANT"
        raise FieldError(f"{place}: sha256", "is no sha256 in small hexadecimal digits", cure)
    return Key(Caller(tenant, rate), digest)
