"""What the nodes of one training tell each other, as small files on the volume that all of them share.

```
trainings/attempt.json      by node 0: the training under way; gone when none is
trainings/node-RANK.json    by each other node: the attempt that it takes part in, and how that goes
```

Each file holds a beat, a number that goes up for as long as its writer lives. Readers measure by their own
clock how long it stood still, so the clocks of the nodes need not agree. Every attempt has an id of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.trainer.folder import written_at_once

ATTEMPT = "attempt.json"
BEAT_SECONDS = 1.0


class NodeState(StrEnum):
    """How a node's part of an attempt goes."""

    IDLE = "idle"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a training: its id, the name of the training's folder, and the beat."""

    id: str
    folder: str
    beat: int


@dataclass(frozen=True, slots=True)
class NodeWord:
    """What a node says: the id of the attempt, its state and the beat; `error` is why it ended badly."""

    attempt: str
    state: NodeState
    beat: int
    error: str | None = None


def tell_attempt(trainings: Path, attempt: Attempt) -> None:
    """Write it for the other nodes to see."""
    written_at_once(trainings / ATTEMPT, json.dumps(asdict(attempt)).encode())


def heard_attempt(trainings: Path) -> Attempt | None:
    """The attempt under way; None where there is none."""
    told = _read(trainings / ATTEMPT)
    return None if told is None else Attempt(**told)


def withdraw_attempt(trainings: Path) -> None:
    """It has ended."""
    (trainings / ATTEMPT).unlink(missing_ok=True)


def tell_node(trainings: Path, rank: int, word: NodeWord) -> None:
    """Write what node `rank` says."""
    written_at_once(_node_file(trainings, rank), json.dumps(asdict(word)).encode())


def heard_node(trainings: Path, rank: int) -> NodeWord | None:
    """What node `rank` said last; None where it never said anything."""
    told = _read(_node_file(trainings, rank))
    return None if told is None else NodeWord(**{**told, "state": NodeState(told["state"])})


def _node_file(trainings: Path, rank: int) -> Path:
    return trainings / f"node-{rank}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return told


class Pulse:
    """Whether somebody's beat still goes up, by this process's clock in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: object = None
        self._since = clock()
        self.beats = False

    def feel(self, beat: object) -> float:
        """Take note of a beat; for how many seconds it has been the same.

        `beats` is True once it was seen to change: a file may be left over from a process that is gone.
        """
        if beat != self._last:
            self.beats = self._last is not None
            self._last, self._since = beat, self._clock()
        return self.silence()

    def silence(self) -> float:
        """For how many seconds no new beat was felt."""
        return self._clock() - self._since
