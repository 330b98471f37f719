"""Request bodies for threads: pieces, lines and the items of a JSON array, one at a time in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from starlette.requests import Request
from starlette.types import Message

from services.gateway.errors import HttpError
from shared.errors import BusyError, FieldError
from shared.jsonl import LONGEST_LINE

Result = TypeVar("Result")

_PATIENCE = 30.0
_MARKS = re.compile(rb'["\[\]{},]')
_STRING_END = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_WHITE = b" \t\r\n"


class Intake:
    """Threads in which bodies are taken in; a few at a time, the others wait and send nothing meanwhile."""

    def __init__(self, threads: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)

    async def run(self, request: Request, work: Callable[[Iterator[bytes]], Result]) -> Result:
        """What `work` makes of the pieces of the body, in a thread.

        BusyError where no thread became free. Errors of the body are raised out of the pieces.
        """
        try:
            with anyio.fail_after(_PATIENCE):
                await self._limiter.acquire_on_behalf_of(request)
        except TimeoutError:
            raise BusyError("too many bodies are being taken in", 5.0) from None
        return await self._held(request, work)

    async def _held(self, request: Request, work: Callable[[Iterator[bytes]], Result]) -> Result:
        try:
            own = anyio.CapacityLimiter(1)
            return await anyio.to_thread.run_sync(lambda: work(pieces(request)), limiter=own)
        finally:
            self._limiter.release_on_behalf_of(request)


async def _next(request: Request) -> Message:
    return await request.receive()


def pieces(request: Request) -> Iterator[bytes]:
    """The body piece by piece, asked for from a thread. HttpError 400 where the client goes away."""
    while True:
        message = anyio.from_thread.run(_next, request)
        if message["type"] != "http.request":
            raise HttpError(400, "body: ended early; send it whole", "incomplete_body", param="body")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


def lines(chunks: Iterable[bytes], longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """Lines without their breaks, blank ones too, so that their numbers stay. FieldError where all are blank.

    A line that is too long is cut, which leaves it too long, and so it will be recorded as such.
    """
    held: list[bytes] = []
    size, blank = 0, True
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        _hold(held, first, longest - size)
        size += len(first)
        for other in others:
            blank = blank and _is_blank(held)
            yield b"".join(held)
            held, size = [], len(other)
            _hold(held, other, longest)
    blank = blank and _is_blank(held)
    if held:
        yield b"".join(held)
    if blank:
        raise FieldError("body", "holds no line", "send JSON Lines, one object a line")


def _is_blank(parts: Iterable[bytes]) -> bool:
    return not any(part.strip(_WHITE) for part in parts)


def _hold(held: list[bytes], part: bytes, room: int) -> None:
    """Keep a part of a line as far as there is room, and one byte more, which tells that it was too long."""
    if part and room >= 0:
        held.append(part[: room + 1])


def items(chunks: Iterable[bytes], longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """The items of a JSON array, or one JSON object alone, each as one line of JSON.

    Only one item stands in memory. FieldError where the body is neither, or an item is no JSON.
    """
    scanner = _Scanner(longest)
    for chunk in chunks:
        yield from scanner.feed(chunk)
    scanner.end()


class _Scanner:
    """Cuts a JSON array into its items without building it."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = b""
        self._cutting = self._cut()
        next(self._cutting)
        self._found: list[bytes] = []
        self._done = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Items that end in the chunk."""
        self._cutting.send(chunk)
        found, self._found = self._found, []
        yield from found

    def end(self) -> None:
        """The body is over."""
        if not self._done:
            raise _no_json("ends early")

    def _cut(self) -> Generator[None, bytes, None]:
        """Takes chunks, and puts what it finds into `_found`."""
        data = b""
        while not (data := data.lstrip(_WHITE)):
            data += yield
        if data[:1] not in (b"[", b"{"):
            raise _no_json("is neither an array nor an object")
        array = data[:1] == b"["
        data = yield from self._values(data[1:] if array else data, array)
        self._done = True
        while not data.strip(_WHITE):
            data = yield
        raise _no_json("goes on behind its end")

    def _values(self, data: bytes, array: bool) -> Generator[None, bytes, bytes]:
        """Items until the array or the object ends; gives what stands behind."""
        depth, at, count = 0, 0, 0
        while True:
            mark = _MARKS.search(data, at)
            if mark is None:
                at = len(data)
                data += yield from self._more(data)
                continue
            at, sign = mark.end(), mark[0]
            if sign == b'"':
                data, at = yield from self._string(data, at)
            elif sign in b"[{":
                depth += 1
            elif sign in b"]}" and depth:
                depth -= 1
                if not depth and not array:
                    self._keep(data[:at])
                    return data[at:]
            elif not depth:
                last = sign == b"]"
                if not array or sign == b"}":
                    raise _no_json("closes what it didn't open")
                if not (last and not count and not data[: at - 1].strip(_WHITE)):
                    self._keep(data[: at - 1])
                if last:
                    return data[at:]
                count, data, at = count + 1, data[at:], 0

    def _more(self, held: bytes) -> Generator[None, bytes, bytes]:
        if len(held) > self._longest:
            raise FieldError("body", f"holds an item above {self._longest} bytes", "shorten it")
        return (yield)

    def _string(self, data: bytes, at: int) -> Generator[None, bytes, tuple[bytes, int]]:
        """Where a string ends whose opening quote stands before `at`."""
        while (end := _STRING_END.match(data, at)) is None:
            data += yield from self._more(data)
        return data, end.end()

    def _keep(self, item: bytes) -> None:
        try:
            json.loads(item)
        except (ValueError, RecursionError) as error:
            raise _no_json(f"holds an item that is no JSON ({str(error)[:100]})") from None
        # Within a string a line break would have been refused, elsewhere it is white space.
        self._found.append(item.strip(_WHITE).replace(b"\n", b" ").replace(b"\r", b" "))


def _no_json(problem: str) -> FieldError:
    cure = "send one JSON object or an array of them, or JSON Lines as application/x-ndjson"
    return FieldError("body", problem, cure)
