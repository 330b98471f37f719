"""The workers behind Redis: told of new jobs, and asked by whoever waits. Only hints travel here, no work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from redis.exceptions import RedisError

from services.gateway.house import Answered
from shared import errors
from shared.errors import FieldError, IdiolectError, InputError, UnavailableError
from shared.jobs.interactive import Answer, Asked, ask
from shared.jobs.layout import JobKey
from shared.jobs.nudge import connected, nudge
from shared.jobs.order import Operation
from shared.jobs.stall import wait_of
from shared.tracing import carried

_LOG = logging.getLogger(__name__)


class RedisWorkers:
    """Implements `services.gateway.house.Nudge` and `Interactive`."""

    def __init__(self, url: str, at_once: int = 64) -> None:
        """`at_once`: most callers whose questions wait at the workers; others wait here."""
        self._redis = connected(url)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="ask")

    def nudge(self) -> None:
        """Tell of a new job. UnavailableError where Redis is not there."""
        try:
            nudge(self._redis)
        except RedisError as error:
            raise UnavailableError(f"Redis does not answer ({type(error).__name__})") from None

    def wait_of(self, key: JobKey) -> str | None:
        """See Nudge."""
        try:
            waits = wait_of(self._redis, key)
        except RedisError as error:
            _LOG.warning("why job %s waits can't be asked (%s)", key.job, type(error).__name__)
            return None
        return None if waits is None else waits[1]

    async def answer(
        self, operation: Operation, config: dict[str, Any], lines: Sequence[bytes], wait: float
    ) -> Answered | None:
        """What came of the lines; None where nobody answered in time, or a part is away for now."""
        asked = Asked(operation, config, lines, carried())
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, ask, self._redis, asked, wait)
        except RedisError as error:
            _LOG.warning("nobody can be asked: Redis does not answer (%s)", type(error).__name__)
            return None
        return None if found is None else _answered(found)


def _answered(found: Answer) -> Answered | None:
    if found.problem is not None:
        error = _error(found.kind or "", found.problem)
        if isinstance(error, UnavailableError):
            return None
        raise error
    records = [(line, record) for line, _, record, error in found.lines if record and not error]
    failed = [(line, error) for line, _, _, error in found.lines if error]
    return Answered(records, failed)


def _error(name: str, message: str) -> IdiolectError:
    """The error that a worker told of, as near as its message allows."""
    kind = getattr(errors, name, IdiolectError)
    if kind is FieldError:
        field, _, rest = message.partition(": ")
        problem, _, cure = rest.rpartition("; ")
        return FieldError(field, problem or rest, cure)
    if issubclass(kind, UnavailableError):
        return UnavailableError(message)
    if issubclass(kind, InputError):
        return InputError(message)
    made: IdiolectError = kind(message)
    return made
