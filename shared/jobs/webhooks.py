"""Webhooks: which targets are allowed, and how a message is signed and checked.

The scheme is that of Standard Webhooks: HMAC-SHA256 over ``ID.TIMESTAMP.BODY`` with the secret's bytes, sent
as ``webhook-signature: v1,BASE64``. A receiver drops ids that it has seen, since a message may come twice.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from shared.errors import FieldError, UnavailableError

_SECRET = re.compile(r"whsec_([A-Za-z0-9+/=]+)")
TOLERANCE_SECONDS = 300


def signed(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Headers of a message; `timestamp` in seconds since the epoch."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{_signature(secret, message_id, timestamp, body)}",
    }


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether a message was signed with the secret, at most five minutes from `now`."""
    stamp = headers.get("webhook-timestamp", "")
    if not re.fullmatch(r"\d{1,12}", stamp) or abs(now - int(stamp)) > TOLERANCE_SECONDS:
        return False
    expected = _signature(secret, headers.get("webhook-id", ""), int(stamp), body)
    given = [part.partition(",") for part in headers.get("webhook-signature", "").split()]
    return any(version == "v1" and hmac.compare_digest(expected, found) for version, _, found in given)


def _signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest()).decode("ascii")


def _key(secret: str) -> bytes:
    found = _SECRET.fullmatch(secret)
    try:
        key = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        key = b""
    if len(key) < 24:
        raise FieldError("webhook_secret", "is no secret", "give whsec_ and 24 to 64 bytes in base64")
    return key


def check_secret(secret: str) -> None:
    """FieldError where it can't sign."""
    _key(secret)


def check_target(url: str, *, allow_private: bool = False) -> None:
    """FieldError where a target may not be told: no https, or a private address written as such.

    Where private ones are allowed, plain http is too; whoever sends it sees to it that the host is private.
    A name is looked up only when a message is sent (`public_addresses`), since what it means may change.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes or not host or parts.username is not None:
        raise FieldError("webhook", "is no https address", "give https://HOST/PATH without a password")
    if not allow_private and (host == "localhost" or is_private(host)):
        raise FieldError("webhook", f"{host} is a private address", "give one that is reachable publicly")


def public_addresses(host: str, port: int, *, allow_private: bool = False) -> list[str]:
    """Addresses of a host that a message may be sent to; connect to one of these, not to the name anew.

    FieldError where the host has a private one. UnavailableError where its name is unknown.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UnavailableError(f"webhook: {host} can't be looked up ({error})") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private and any(map(is_private, addresses)):
        raise FieldError("webhook", f"{host} leads to a private address", "give a public one")
    return addresses


def is_private(host: str) -> bool:
    """Whether an address is not one of the public network; False for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global
