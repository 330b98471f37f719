"""The work behind batches: check a file and make a job of it; write the results of a job that has ended.

Any gateway may do any of it again at any time: what counts is decided by objects that are written once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from services.gateway.accepting import Wish, stored
from services.gateway.batches import BatchRequest, BatchShelf, Closed, LineFault, Refusal
from services.gateway.bodies import lines
from services.gateway.distinct import Distinct
from services.gateway.files import FILE, Files
from services.gateway.house import House
from shared.errors import FieldError, NotFoundError
from shared.jobs.order import JobOrder, JobState, Operation
from shared.jsonl import JsonObject, decode_object, dump_line
from shared.tracing import resumed

ENDPOINTS = {f"/v1/{operation.value}": operation for operation in Operation}
_MOST_FAULTS = 100
_BEYOND = 1 << 62


class BatchFaultsError(Exception):
    """A file can't become a batch."""

    def __init__(self, faults: tuple[LineFault, ...]) -> None:
        super().__init__(faults)
        self.faults = faults


@dataclass(frozen=True, slots=True)
class BatchClerk:
    """Does what is left to do about open batches."""

    house: House

    def attend(self, shelf: BatchShelf, batch_id: str) -> None:
        """Do what is left to do about one batch, if anything can be done now."""
        try:
            request = shelf.get(batch_id)
        except NotFoundError:
            return
        if shelf.refusal(batch_id) or shelf.closed(batch_id):
            shelf.forget_live(batch_id)
            return
        order = shelf.job(batch_id) or self._begun(shelf, request)
        if order is not None:
            self._go_on(shelf, request, order)

    def _begun(self, shelf: BatchShelf, request: BatchRequest) -> JobOrder | None:
        """The job of a batch whose file is good; None where it is refused or was cancelled before."""
        if shelf.cancel_wanted(request.id) is not None:
            shelf.refuse(request.id, Refusal(int(time.time()), (), cancelled=True))
            return None
        wish = Wish(
            shelf.tenant,
            ENDPOINTS[request.endpoint],
            request.config,
            {"batch": request.id},
            request.input_file_id,
        )
        try:
            found = checked_bodies(Files(shelf.store, shelf.tenant), request)
            with resumed("batch", request.trace, {"idiolect.batch": request.id}):
                order = shelf.decision(request.id).settle(stored(shelf.store, wish, found))
        except BatchFaultsError as bad:
            shelf.refuse(request.id, Refusal(int(time.time()), bad.faults))
            return None
        except (FieldError, NotFoundError) as error:
            fault = LineFault("invalid_file", str(error), None, "input_file_id")
            shelf.refuse(request.id, Refusal(int(time.time()), (fault,)))
            return None
        self.house.announce(order)
        return order

    def _go_on(self, shelf: BatchShelf, request: BatchRequest, order: JobOrder) -> None:
        end = self.house.desk.end(order.key)
        if end is None:
            if shelf.cancel_wanted(request.id) is not None:
                self.house.desk.cancel(order)
            return
        if end.state is not JobState.FAILED:
            output, errors = self._written(shelf, request, order)
        else:
            output, errors = (None, 0), (None, 0)
        shelf.close(request.id, Closed(int(end.ended), output[0], errors[0], output[1], errors[1]))
        shelf.forget_live(request.id)

    def _written(
        self, shelf: BatchShelf, request: BatchRequest, order: JobOrder
    ) -> tuple[tuple[str | None, int], tuple[str | None, int]]:
        """(file, lines) of results and of errors. The ids follow from the batch, so all write the same."""
        files = Files(shelf.store, shelf.tenant)
        answers = Answers(files, request)
        desk = self.house.desk
        good = answers.results(desk.results(order), desk.errors(order))
        results = self._one(files, request, "output", good)
        errors = self._one(files, request, "error", answers.errors(desk.errors(order)))
        return results, errors

    def _one(
        self, files: Files, request: BatchRequest, part: str, rows: Iterator[bytes]
    ) -> tuple[str | None, int]:
        count = 0

        def counted() -> Iterator[bytes]:
            nonlocal count
            for row in rows:
                count += 1
                yield row

        first = next(counting := counted(), None)
        if first is None:
            return None, 0
        file_id = derived_id(request.id, part)
        name = f"{request.id}_{part}.jsonl"
        files.write(chain([first], counting), lambda: (name, "batch_output"), file_id)
        # Where another gateway wrote the same before, the rows are left unread, but they count all the same.
        deque(counting, maxlen=0)
        return file_id, count


def derived_id(batch_id: str, part: str) -> str:
    """Id of a file of a batch; its time is that of the batch, its random part can't be guessed either."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    begin = batch_id.rpartition("-")[2][:10]
    drawn = hashlib.sha256(f"{batch_id}/{part}".encode()).digest()
    return f"{FILE}-{begin}" + "".join(digits[byte & 31] for byte in drawn[:16])


def checked_bodies(files: Files, request: BatchRequest) -> Iterator[bytes]:
    """The bodies of a batch's requests, one line each. BatchFaultsError where a line can't be one."""
    with Distinct() as seen:
        yield from _bodies(files, request, seen)


def _bodies(files: Files, request: BatchRequest, seen: Distinct) -> Iterator[bytes]:
    faults: list[LineFault] = []
    for number, line in enumerate(lines(files.content(request.input_file_id)), 1):
        if not line.strip():
            # It has no request, but the lines behind it keep their numbers.
            yield line
            continue
        try:
            item = _checked(line, request.endpoint, seen)
        except FieldError as error:
            code = "duplicate_custom_id" if "twice" in error.problem else "invalid_request"
            if error.field == "line":
                code = "invalid_json_line"
            faults.append(LineFault(code, str(error), number, error.field))
            if len(faults) == _MOST_FAULTS:
                break
            continue
        if not faults:
            yield dump_line(item["body"]).rstrip(b"\n")
    if faults:
        raise BatchFaultsError(tuple(faults))


def _checked(line: bytes, endpoint: str, seen: Distinct) -> JsonObject:
    item = decode_object(line)
    custom_id = item.get("custom_id")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= 512:
        raise FieldError("custom_id", "is missing or no string of 1 to 512 characters", "give each line one")
    if not seen.add(custom_id):
        raise FieldError(
            "custom_id", f"{custom_id[:80]!r} stands twice in the file", "give each line its own"
        )
    if item.get("method") != "POST":
        raise FieldError("method", f"is {str(item.get('method'))[:20]!r}", "write POST")
    if item.get("url") != endpoint:
        raise FieldError("url", f"is {str(item.get('url'))[:80]!r}", f"write {endpoint}, as the batch says")
    if not isinstance(item.get("body"), dict):
        raise FieldError("body", "is missing or no object", "give the request as an object")
    return item


@contextmanager
def closing_iterator(chunks: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Lets go of what is behind an iterator that may not be read to its end."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, Generator):
            chunks.close()


@dataclass(frozen=True, slots=True)
class Answers:
    """Joins results, which know their line, with the custom ids of the batch's file."""

    files: Files
    request: BatchRequest

    def results(
        self, rows: Iterator[tuple[int, bytes]], faults: Iterator[tuple[int, bytes]]
    ) -> Iterator[bytes]:
        """Lines of the output file; a record whose line also has an error isn't one of them."""
        for number, custom_id, row in self._joined(self._without(rows, faults)):
            response = {"status_code": 200, "request_id": self._id(number), "body": json.loads(row)}
            yield self._line(number, custom_id, response, None)

    def errors(self, rows: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
        """Lines of the error file."""
        for number, custom_id, row in self._joined(rows):
            told = json.loads(row)
            message = str(told.get("reason") or told.get("error") or told)
            error = {"code": "failed", "message": message}
            yield self._line(number, custom_id, None, error)

    @staticmethod
    def _without(
        rows: Iterator[tuple[int, bytes]], faults: Iterator[tuple[int, bytes]]
    ) -> Iterator[tuple[int, bytes]]:
        bad = 0
        for number, row in rows:
            while bad < number:
                bad, _ = next(faults, (_BEYOND, b""))
            if bad != number:
                yield number, row

    def _joined(self, rows: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, str, bytes]]:
        first = next(rows, None)
        if first is None:
            return
        with closing_iterator(self.files.content(self.request.input_file_id)) as content:
            source = enumerate(lines(content), 1)
            for number, row in chain([first], rows):
                at, line = next(source)
                while at < number:
                    at, line = next(source)
                yield number, decode_object(line)["custom_id"], row

    def _line(self, number: int, custom_id: str, response: object, error: object) -> bytes:
        item = {"id": self._id(number), "custom_id": custom_id, "response": response, "error": error}
        return dump_line(item)

    def _id(self, number: int) -> str:
        return f"batch_req_{self.request.id.rpartition('-')[2]}_{number}"
