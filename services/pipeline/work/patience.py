"""Waits for services that are busy or gone, and gives up after a while."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.errors import BusyError, UnavailableError

Result = TypeVar("Result")


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The work was to end early."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    Attributes:
        most: a call is tried again for so long, from its first failure on.
        first, longest: pauses, doubled each time with some jitter; a busy service says itself when.
    """

    most: float = 60.0
    first: float = 0.2
    longest: float = 5.0

    def through(
        self,
        call: Callable[[], Result],
        stop: threading.Event,
        waits: Callable[[UnavailableError], None] = lambda error: None,
    ) -> Result:
        """The result of the call. Stopped as soon as `stop` is set, UnavailableError when it is too late.

        `waits` is told before each wait.
        """
        pause, until = self.first, 0.0
        while True:
            if stop.is_set():
                raise Stopped
            try:
                result = call()
            except UnavailableError as error:
                until = until or time.monotonic() + self.most
                wanted = error.retry_after if isinstance(error, BusyError) else pause
                if stop.is_set():
                    raise Stopped from None
                waits(error)
                if time.monotonic() + wanted > until:
                    raise
                stop.wait(wanted * random.uniform(0.8, 1.2))
                pause = min(self.longest, 2 * pause)
            else:
                # A result that came while calls were aborted may tell of that and not of the line.
                if stop.is_set():
                    raise Stopped
                return result
