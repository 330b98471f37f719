"""Calls to one gateway: its errors raised as this project's, and tried again while it may come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2

from shared.clients.platform.refusals import refusal
from shared.errors import BusyError, FieldError, IdiolectError, UnavailableError

Result = TypeVar("Result")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_LONGEST_ERROR = 64 << 10
_CONNECT_SECONDS = 10.0


class LostError(UnavailableError):
    """The gateway isn't there, or went away in the middle of an answer."""


class Patience:
    """Waits between tries, longer each time; `seconds` is the longest time without any success."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.success()

    def success(self) -> None:
        """Something came."""
        self._since = time.monotonic()
        self._pause = _FIRST_PAUSE

    def wait(self, error: IdiolectError) -> None:
        """Wait before the next try; raises `error` where that would be too late."""
        pause = max(self._pause, error.retry_after) if isinstance(error, BusyError) else self._pause
        if time.monotonic() + pause > self._since + self._seconds:
            raise error
        time.sleep(pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


class Calls:
    """The connection; safe to use from several threads."""

    def __init__(self, url: str, key: str | None, patience: float, timeout: float) -> None:
        self._url = _checked(url)
        self._patience = patience
        headers = {} if key is None else {"Authorization": f"Bearer {_sendable(key)}"}
        self._http = httpx2.Client(
            base_url=self._url,
            headers=headers,
            timeout=httpx2.Timeout(timeout, connect=_CONNECT_SECONDS),
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def patience(self) -> Patience:
        """A new one."""
        return Patience(self._patience)

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """What the gateway answers; options are those of httpx."""
        with self.answer(method, path, **options) as answer:
            body = answer.read()
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            start = body[:80].decode("utf-8", "replace")
            raise UnavailableError(f"{self._url} is no gateway: it answers {start!r}; check the address")
        return found

    @contextmanager
    def answer(self, method: str, path: str, **options: Any) -> Iterator[httpx2.Response]:
        """An answer to read while the context lasts; raises what it, or the way to it, failed with."""
        try:
            with self._http.stream(method, path, **options) as answer:
                if not answer.is_success:
                    body = next(answer.iter_bytes(_LONGEST_ERROR), b"")
                    raise refusal(answer.status_code, body, answer.headers.get("Retry-After"))
                yield answer
        except httpx2.TransportError as error:
            raise LostError(f"{self._url} does not answer ({_said(error)})") from None
        except httpx2.DecodingError:
            raise LostError(f"{self._url} sends what can't be unpacked") from None

    def patiently(self, call: Callable[[], Result], *, also_unavailable: bool = True) -> Result:
        """What `call` gives, tried again where the gateway is lost or busy.

        `also_unavailable`: where a part behind it is away, too.
        """
        patience = self.patience()
        while True:
            try:
                return call()
            except (LostError, BusyError) as error:
                patience.wait(error)
            except UnavailableError as error:
                if not also_unavailable:
                    raise
                patience.wait(error)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _checked(url: str) -> str:
    try:
        found = httpx2.URL(url)
    except httpx2.InvalidURL:
        found = httpx2.URL("")
    if found.scheme not in ("http", "https") or not found.host:
        raise FieldError("url", f"is {url[:200]!r}", "give one like http://127.0.0.1:8080")
    return url.rstrip("/").removesuffix("/v1")


def _sendable(key: str) -> str:
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise FieldError("key", "holds what no header can hold", "give the key as the gateway showed it")
    return key
