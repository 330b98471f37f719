"""HTTP/1.1 for the gateway: as uvicorn speaks it, and a connection whose request doesn't come is closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientProtocol(H11Protocol):
    """Gives the head of each request `header_seconds` from the first byte of the connection on.

    uvicorn itself only limits how long a connection may idle between requests, so that a client that sends a
    head byte by byte would hold a connection for ever.
    """

    header_seconds = 10.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Bytes came; between two requests they are the begin of a head."""
        before = self.cycle
        if self._head_due is None and (before is None or before.response_complete):
            self._await_head()
        super().data_received(data)
        if self.cycle is not before:
            self._head_came()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._head_came()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._head_due = asyncio.get_running_loop().call_later(self.header_seconds, self._too_slow)

    def _head_came(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _too_slow(self) -> None:
        self._head_due = None
        self.transport.abort()


def protocol_with(header_seconds: float) -> type[PatientProtocol]:
    """The protocol with that much patience."""
    return type("GatewayProtocol", (PatientProtocol,), {"header_seconds": header_seconds})
