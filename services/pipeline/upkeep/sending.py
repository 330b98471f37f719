"""Sends one message to a webhook: to an address that was checked, within a time limit, without redirects."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from shared.errors import FieldError, UnavailableError
from shared.jobs.webhooks import check_target, is_private, public_addresses

SECONDS = 15.0
_MOST_ADDRESSES = 4
_PORTS = {"https": 443, "http": 80}


class Sender:
    """Sends messages; may be used by several threads. `seconds`: longest time for one of them in all."""

    def __init__(self, *, allow_private: bool = False, seconds: float = SECONDS) -> None:
        self._allow_private, self._seconds = allow_private, seconds
        self._tls = ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status that the receiver answered with; what else it says is not read.

        FieldError where the target is not allowed, UnavailableError where no answer came.
        """
        check_target(url, allow_private=self._allow_private)
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        addresses = public_addresses(host, port, allow_private=self._allow_private)
        if parts.scheme == "http" and not all(map(is_private, addresses)):
            raise FieldError("webhook", f"{host} is public and would be told over plain http", "use https")
        tls = self._tls if parts.scheme == "https" else None
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self._asked(_Pinned(host, port, addresses, tls, self._seconds), path, headers, body)

    def _asked(self, connection: _Pinned, path: str, headers: Mapping[str, str], body: bytes) -> int:
        deadline = threading.Timer(self._seconds, connection.cut)
        deadline.start()
        try:
            connection.request("POST", path, body, {**headers, "Content-Type": "application/json"})
            return connection.getresponse().status
        except (OSError, HTTPException, UnicodeError) as error:
            raise UnavailableError(f"webhook: {connection.host} does not answer ({error!r:.200})") from None
        finally:
            deadline.cancel()
            connection.close()


class _Pinned(HTTPConnection):
    """A connection to one of the addresses that were checked, whatever the name means by now."""

    def __init__(
        self, host: str, port: int, addresses: list[str], tls: ssl.SSLContext | None, seconds: float
    ) -> None:
        self.default_port = _PORTS["https" if tls else "http"]
        super().__init__(host, port, timeout=seconds)
        self._addresses, self._tls = addresses[:_MOST_ADDRESSES], tls
        self._late = False

    def connect(self) -> None:
        """See HTTPConnection."""
        self.sock = self._connected()
        if self._tls is not None:
            # The handshake comes after, so that it can be cut too.
            wrapped = self._tls.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock = wrapped
            wrapped.do_handshake()
        if self._late:
            raise TimeoutError("the time for it is over")

    def cut(self) -> None:
        """End it from another thread, however slowly the receiver answers."""
        self._late = True
        held: socket.socket | None = self.sock
        if held is not None:
            # It may have ended by itself.
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> socket.socket:
        *others, last = self._addresses
        for address in others:
            try:
                return socket.create_connection((address, self.port), self.timeout)
            except OSError:
                continue
        return socket.create_connection((last, self.port), self.timeout)
