"""The door that every request passes: key, rate, and a body decoded, measured and timed as it comes."""

from __future__ import annotations

import time
from asyncio import timeout
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.auth import Caller, Keys
from services.gateway.decoding import Decoder, decoder_for
from services.gateway.errors import HttpError, respond
from services.gateway.figures import GatewayFigures
from services.gateway.limits import BodyWatch, RateLimit
from services.gateway.settings import GatewaySettings
from services.gateway.spans import API, traced

# Bodies of these may be as long as an upload; they are never held whole.
STREAMED = ("/v1/files", "/v1/refinements")
STREAMED_UNLESS_JSON = ("/v1/scores", "/v1/verifications", "/v1/rollouts", "/v1/evaluations")


@dataclass(frozen=True, slots=True)
class Door:
    """Stands before the app as ASGI middleware."""

    app: ASGIApp
    keys: Keys
    settings: GatewaySettings
    rates: RateLimit
    figures: GatewayFigures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        with self.figures.watch(scope) as watched, traced(scope, headers, watched):
            try:
                if scope["path"].startswith(API):
                    scope.setdefault("state", {})["caller"] = self._caller(headers)
                body = Body(
                    receive, decoder_for(headers.get("content-encoding", "")), *self._limits(scope, headers)
                )
                body.announce(headers.get("content-length"))
            except HttpError as error:
                await respond(error)(scope, receive, watched.told(send))
                return
            await self.app(scope, body.receive, watched.told(send))

    def _caller(self, headers: Headers) -> Caller:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        caller = self.keys.caller(token.strip() if scheme.lower() == "bearer" else None)
        if caller is None:
            message = "no valid key came along; send one as 'Authorization: Bearer KEY'"
            raise HttpError(401, message, "invalid_api_key", headers={"WWW-Authenticate": "Bearer"})
        wait = self.rates.wait(caller.tenant, caller.requests_per_minute)
        if wait:
            message = f"too many requests a minute; ask again in {wait} s"
            raise HttpError(429, message, "rate_limit_exceeded", headers={"Retry-After": str(wait)})
        return caller

    def _limits(self, scope: Scope, headers: Headers) -> tuple[int, BodyWatch]:
        path, kind = scope["path"].rstrip("/"), headers.get("content-type", "")
        lines = path in STREAMED_UNLESS_JSON and "application/json" not in kind
        streamed = lines or path in STREAMED
        limit = self.settings.upload_bytes if streamed else self.settings.json_bytes
        return limit, BodyWatch(self.settings.body_grace_seconds, self.settings.body_bytes_per_second)


class Body:
    """A body as it comes: decoded, at most `limit` bytes of it, and not too slowly."""

    def __init__(self, receive: Receive, decoder: Decoder, limit: int, watch: BodyWatch) -> None:
        self._receive = receive
        self._decoder = decoder
        self._limit = limit
        self._watch = watch
        self._feeding: Iterator[bytes] = iter(())
        self._more = True
        self._ended = False
        self._size = 0

    def announce(self, length: str | None) -> None:
        """Refuse at once what says itself that it is too long."""
        if length is not None and length.isdigit() and int(length) > self._limit:
            raise self._too_long()

    async def receive(self) -> Message:
        """The next piece, as ASGI's `receive`. HttpError where the body can't be taken."""
        while not self._ended:
            piece = next(self._feeding, None)
            if piece is not None:
                return self._message(piece, True)
            if not self._more:
                return self._end()
            message = await self._next()
            if message["type"] != "http.request":
                return message
            self._more = message.get("more_body", False)
            self._feeding = self._decoder.feed(message.get("body", b""))
        return await self._receive()

    def _end(self) -> Message:
        self._ended = True
        if self._watch.received:
            self._decoder.end()
        return self._message(b"", False)

    def _message(self, piece: bytes, more: bool) -> Message:
        self._size += len(piece)
        if self._size > self._limit:
            raise self._too_long()
        return {"type": "http.request", "body": piece, "more_body": more}

    async def _next(self) -> Message:
        begun = time.monotonic()
        try:
            async with timeout(self._watch.left):
                message = await self._receive()
        except TimeoutError:
            text = "the body comes too slowly; send it faster or in parts"
            raise HttpError(408, text, "slow_body", headers={"Connection": "close"}) from None
        self._watch.took(time.monotonic() - begun, len(message.get("body", b"")))
        return message

    def _too_long(self) -> HttpError:
        text = f"the body is longer than {self._limit} bytes; send it in parts, or upload it as a file"
        return HttpError(413, text, "body_too_large", headers={"Connection": "close"})
