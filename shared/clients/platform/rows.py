"""Lines of a job as they are fetched, gone on with behind the last one where the answer breaks off."""

from __future__ import annotations

import json
from collections.abc import Iterator

from shared.clients.platform.bodies import whole_lines
from shared.clients.platform.calls import Calls, LostError
from shared.errors import IntegrityError, UnavailableError


def rows_after(calls: Calls, path: str, after: int) -> Iterator[bytes]:
    """JSON of a job's finished prefix behind line `after` of the input, each with its break, each once."""
    patience = calls.patience()
    while True:
        try:
            for row in _rows(calls, path, after):
                after = line_of(row)
                patience.success()
                yield row
        except UnavailableError as error:
            patience.wait(error)
        else:
            return


def _rows(calls: Calls, path: str, after: int) -> Iterator[bytes]:
    with calls.answer("GET", path, params={"after": after}) as answer:
        for row in whole_lines(answer.iter_bytes()):
            if not row.endswith(b"\n"):
                raise LostError("the answer ends in the middle of a line")
            yield row


def line_of(row: bytes) -> int:
    """The line of the input that a row speaks of. IntegrityError where it names none."""
    try:
        number = json.loads(row)["line"]
    except (ValueError, LookupError, TypeError, RecursionError):
        number = None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise IntegrityError(f"a row of the job names no line of the input: {row[:80]!r}")
    return number
