"""Trainings of a gateway as domain types, and how one is followed step by step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx2

from shared.clients.platform.calls import Calls, LostError
from shared.clients.platform.views import viewed
from shared.domain.training import TrainingProgress, TrainingStanding, TrainingState
from shared.errors import UnavailableError

# The gateway says something every 15 s.
_SILENCE_SECONDS = 40.0
_GOING_ON = (TrainingState.QUEUED, TrainingState.RUNNING)


def standing_of(shown: Mapping[str, Any]) -> TrainingStanding:
    """The training of a JSON object. UnavailableError where it is none."""
    model = shown.get("model") or {}
    try:
        told = {
            "base": shown["base_model"],
            "state": TrainingState(shown["status"]),
            "created": shown["created_at"],
            "ended": shown["ended_at"],
            "model": model.get("path"),
            "digest": model.get("digest"),
            "adapter": model.get("adapter", False),
        }
    except (LookupError, ValueError, AttributeError, TypeError):
        raise UnavailableError("the gateway tells of a training in an unknown way; upgrade") from None
    return viewed(TrainingStanding, {**shown, **told})


class Following:
    """The steps of one training, each told once."""

    def __init__(self, calls: Calls, path: str, after: int, pause_seconds: float) -> None:
        self._calls = calls
        self._path = path
        self._after = after
        self._pause = pause_seconds

    def steps(self) -> Iterator[tuple[TrainingStanding, TrainingProgress | None]]:
        """Every step as it is done, and at last how the training ended, without a step."""
        patience = self._calls.patience()
        while True:
            try:
                for standing, step in self._heard():
                    patience.success()
                    self._after = standing.step if step is not None else self._after
                    yield standing, step
                    if step is None:
                        return
                # The gateway or the trainer ends; where it stays away, asking raises.
                time.sleep(self._pause)
            except UnavailableError as error:
                patience.wait(error)

    def _heard(self) -> Iterator[tuple[TrainingStanding, TrainingProgress | None]]:
        """What one stream of events tells."""
        timeout = httpx2.Timeout(_SILENCE_SECONDS)
        asked = {"params": {"after": self._after}, "timeout": timeout}
        with self._calls.answer("GET", f"{self._path}/events", **asked) as answer:
            if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                raise UnavailableError("no events come from there; is the gateway's address right?")
            standing: TrainingStanding | None = None
            for event in httpx2.EventSource(answer):
                shown = _read(event.data)
                if event.event == "training":
                    standing = standing_of(shown)
                elif event.event == "end":
                    yield standing_of(shown), None
                elif event.event == "step" and standing is not None:
                    step = _step_of(shown)
                    yield _at(standing, step), step


def _read(data: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        raise LostError("an event of the gateway breaks off") from None
    return found if isinstance(found, dict) else {}


def _step_of(shown: Mapping[str, Any]) -> TrainingProgress:
    """A step; what is no number over JSON is NaN."""
    figures = {name: shown.get(name) for name in ("loss", "tokens_per_second")}
    numbers = {name: math.nan if value is None else value for name, value in figures.items()}
    return viewed(TrainingProgress, {**shown, **numbers})


def _at(standing: TrainingStanding, step: TrainingProgress) -> TrainingStanding:
    """The training as it stood after that step."""
    state = TrainingState.RUNNING if standing.state in _GOING_ON else standing.state
    return replace(standing, state=state, step=step.step, steps=step.steps, tokens=step.tokens)
