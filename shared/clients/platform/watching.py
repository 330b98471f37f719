"""Follows a job: by server-sent events, connected anew where they break, by asking where none come."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx2

from shared.clients.platform.calls import Calls
from shared.clients.platform.views import Job
from shared.errors import InputError, UnavailableError

# The gateway says something every 15 s.
_SILENCE_SECONDS = 40.0
_MUTE_STREAMS = 2


class Watching:
    """The states of one job, each told once."""

    def __init__(self, calls: Calls, job_id: str, poll_seconds: float) -> None:
        self._calls = calls
        self._path = f"/v1/jobs/{job_id}"
        self._poll_seconds = poll_seconds
        self._last: Job | None = None

    def states(self) -> Iterator[Job]:
        """The job at once and whenever it changed; the last one has ended."""
        patience, mute = self._calls.patience(), 0
        while not self._over and mute < _MUTE_STREAMS:
            heard = False
            try:
                for job in self._heard():
                    heard = True
                    patience.success()
                    yield from self._new(job)
                self._pause()
            except _NoEventsError:
                break
            except UnavailableError as error:
                patience.wait(error)
            mute = 0 if heard else mute + 1
        yield from self._asked()

    def _heard(self) -> Iterator[Job]:
        """Jobs of one stream of events, until it ends."""
        timeout = httpx2.Timeout(_SILENCE_SECONDS)
        try:
            with self._calls.answer("GET", f"{self._path}/events", timeout=timeout) as answer:
                if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                    raise _NoEventsError
                for event in httpx2.EventSource(answer):
                    if event.event in ("job", "end"):
                        yield Job.of(json.loads(event.data))
        except (ValueError, InputError) as error:
            raise _NoEventsError from error

    def _asked(self) -> Iterator[Job]:
        while not self._over:
            found = self._calls.patiently(lambda: self._calls.json("GET", self._path))
            yield from self._new(Job.of(found))
            self._pause()

    def _pause(self) -> None:
        if not self._over:
            time.sleep(self._poll_seconds)

    def _new(self, job: Job) -> Iterator[Job]:
        if job != self._last:
            self._last = job
            yield job

    @property
    def _over(self) -> bool:
        return self._last is not None and self._last.ended


class _NoEventsError(Exception):
    """What stands there tells no events."""
