"""Lets the pulse of a job tell which calls its worker waits for, while the worker can't say so itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.pipeline.dispatch.causes import telling
from services.pipeline.dispatch.pulse import Pulse
from services.pipeline.work.engines import Engines
from shared.clients.under_way import awaited

_LOOK_SECONDS = 2.0


@contextmanager
def told_what_is_awaited(pulse: Pulse, engines: Engines) -> Iterator[None]:
    """Tells of a call that has been under way since the last look, for as long as the context lasts."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            call = telling(awaited())
            if call is not None and call.seconds > _LOOK_SECONDS:
                pulse.awaits(call, engines.oracle.thinks)

    watcher = threading.Thread(target=look, name="awaiting", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
