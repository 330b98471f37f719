"""Who asks: bearer keys, of which only digests are kept, and a name space for each tenant."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shared.errors import FieldError
from shared.jobs.places import Place
from shared.tenants import Promise, key_lines, read_promises

LOCAL = "local"
STUDIES = "studies"
PERMISSIONS = (STUDIES,)
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant and what it may do; `requests_per_minute` None: as everybody.

    `prefixes` are the folders in S3 that jobs of this key may read from and write to. `may`: what it is let
    do beside what every key may.
    """

    tenant: str
    requests_per_minute: int | None = None
    prefixes: tuple[Place, ...] = ()
    promise: Promise = field(default_factory=Promise)
    may: frozenset[str] = frozenset()


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

    def tenants(self) -> list[str]:
        """Everybody who has a name space here."""
        return sorted({key.caller.tenant for key in self._keys}) or [LOCAL]

    def prefixes(self) -> list[Place]:
        """All folders in S3 that somebody may use."""
        return [prefix for key in self._keys for prefix in key.caller.prefixes]

    def caller(self, token: str | None) -> Caller | None:
        """Whose token it is; None where it is nobody's. Takes equally long whichever key it is."""
        if not self._keys:
            return Caller(LOCAL, may=frozenset(PERMISSIONS))
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
    promises = read_promises(path)
    for place, item in key_lines(path):
        key = _key(place, item.get("tenant"), item.get("sha256"), _rate(place, item))
        caller = replace(
            key.caller,
            promise=promises[key.caller.tenant],
            prefixes=tuple(_prefixes(place, item)),
            may=_may(place, item),
        )
        yield replace(key, caller=caller)


def _prefixes(place: str, item: Mapping[str, Any]) -> Iterator[Place]:
    """Folders in S3 that a key may read from and write to."""
    found = item.get("prefixes", [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        cure = 'give a list such as ["s3://bucket/acme/"]'
        raise FieldError(f"{place}: prefixes", f"is {found!r:.60}", cure)
    for one in found:
        yield Place.of_folder(f"{place}: prefixes", one)


def _may(place: str, item: Mapping[str, Any]) -> frozenset[str]:
    """What a key is let do beside what every key may."""
    found = item.get("may", [])
    if not isinstance(found, list) or not all(one in PERMISSIONS for one in found):
        cure = f"give a list of {', '.join(PERMISSIONS)}"
        raise FieldError(f"{place}: may", f"is {found!r:.60}", cure)
    return frozenset(found)


def _rate(place: str, item: Mapping[str, Any]) -> int | None:
    rate = item.get("requests_per_minute")
    if rate is not None and (not isinstance(rate, int) or isinstance(rate, bool) or rate < 1):
        raise FieldError(f"{place}: requests_per_minute", f"is {rate!r}", "give a whole number from 1")
    return rate


def _key(place: str, tenant: object, digest: object, rate: int | None = None) -> Key:
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        cure = "use up to 32 small letters, digits and dashes"
        raise FieldError(f"{place}: tenant", f"is {tenant!r}", cure)
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        cure = "make one with: python -m services.gateway key TENANT"
        raise FieldError(f"{place}: sha256", "is no sha256 in small hexadecimal digits", cure)
    return Key(Caller(tenant, rate), digest)
