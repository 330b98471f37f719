"""A connection to one service, for threads: made when first needed, anew after a fork, errors translated."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Self, TypeVar

import grpc

from shared.clients.streams import Streams, usable
from shared.clients.under_way import under_way
from shared.errors import BusyError, FieldError, UnavailableError
from shared.rpc.channel import RETRIES, Target
from shared.rpc.spans import Metadata, client_span
from shared.rpc.status import error_of

Stub = TypeVar("Stub")
Result = TypeVar("Result")
_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 5.0


class Connection(Generic[Stub]):
    """Holds the channel and the stub of this process."""

    def __init__(self, target: Target, stub: type[Stub], contract: str) -> None:
        """`contract`: full name of the service, ``idiolect.SERVICE.v1.(...)``."""
        self.target, self.contract = target, contract
        # For errors, and for whoever asks what is waited for.
        self.service = contract.split(".")[1]
        self._kind: Any = stub
        self._streams = Streams(target.channel, stub)
        self._lock = threading.Lock()
        self._process = 0
        self._channel: grpc.Channel | None = None
        self._stub: Stub | None = None
        self._cut = threading.Event()

    @property
    def stub(self) -> Stub:
        """The stub of this process."""
        with self._lock:
            if self._cut.is_set():
                raise UnavailableError("the connection was cut")
            if self._stub is None or self._process != os.getpid():
                # A channel of the parent is let be: closing it here would need its threads.
                self._process = os.getpid()
                self._channel = self.target.sync_channel()
                self._stub = self._kind(self._channel)
            return self._stub

    def cut(self) -> None:
        """Close for good: calls under way end, and whoever makes another gets UnavailableError."""
        with self._lock:
            self._cut.set()
        self._streams.cut()
        self.close()

    def close(self) -> None:
        """Close the channel of this process."""
        with self._lock:
            if self._channel is not None and self._process == os.getpid():
                self._channel.close()
            self._channel = self._stub = None
        self._streams.close()

    def read(
        self, method: str, sent: Any, keep: Callable[[Any], None], *, timeout: float, metadata: Metadata
    ) -> None:
        """Make a call that is answered by a stream and hand each answer to `keep`, as they arrive.

        `sent`: the request, or a list of them where the method takes a stream. What `keep` raises ends the
        call. grpc.RpcError where the call fails, UnavailableError where the connection is cut under it.
        """
        if usable():
            self._streams.read(method, sent, keep, timeout=timeout, metadata=metadata)
            return
        asked = iter(sent) if isinstance(sent, list) else sent
        answers = getattr(self.stub, method)(asked, timeout=timeout, metadata=metadata)
        try:
            for answer in answers:
                keep(answer)
        finally:
            answers.cancel()

    def again(self, call: Callable[[], Result]) -> Result:
        """The result of a call that may be made more than once; with a stream, which gRPC doesn't try again.

        A service that says when is asked then. The last UnavailableError where it stays so.
        """
        pause = _FIRST_SECONDS
        for _ in range(RETRIES - 1):
            try:
                return call()
            except UnavailableError as error:
                if not error.passing:
                    raise
                wanted = error.retry_after if isinstance(error, BusyError) else pause
                if self._cut.wait(wanted * random.uniform(0.8, 1.2)):
                    raise
                pause = min(_LONGEST_SECONDS, 2 * pause)
        return call()

    @contextmanager
    def translated(self, method: str) -> Iterator[Metadata]:
        """Raises what a failed call means; where the service itself did not say, named by its address.

        Gives the metadata that the call must take along: its trace.
        """
        try:
            with under_way(self.service, method), client_span(self.contract, method) as metadata:
                yield metadata
        except grpc.RpcError as failed:
            found = error_of(failed, f"{self.target.name} {self.target.address}")
            if isinstance(found, UnavailableError):
                found.service, found.method = self.service, method
                found.passing = failed.code() is grpc.StatusCode.UNAVAILABLE
            raise found from None
        except UnavailableError as cut:
            cut.service, cut.method = cut.service or self.service, cut.method or method
            raise


class ServiceClient(Generic[Stub]):
    """What every client of a service is: one connection, closed by whoever opened it."""

    def __init__(self, target: Target, stub: type[Stub], contract: str) -> None:
        self._connection = Connection(target, stub, contract)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def cut(self) -> None:
        """Abort all calls; who holds one, or makes another, gets UnavailableError."""
        self._connection.cut()


def sendable(field: str, text: str) -> str:
    """The text, which must have a UTF-8 form. FieldError where it has none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        problem = f"has no UTF-8 form at character {error.start}"
        raise FieldError(field, problem, "replace the lone surrogates") from None
    return text


def countable(field: str, number: int, bound: int = 1 << 32) -> int:
    """The number, which must be from 0 to below `bound`. FieldError where it is not."""
    if not 0 <= number < bound:
        raise FieldError(field, f"is {number}", f"give a whole number from 0 to {bound - 1}")
    return number
