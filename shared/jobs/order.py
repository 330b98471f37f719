"""What a job is: the order as it was accepted, the outcome of a shard, and how the job ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from shared.errors import IntegrityError
from shared.identity import Setting
from shared.jobs.layout import JobKey, ShardId

FORMAT = "idiolect.job/1"
LINES_A_SHARD = 256


class Operation(StrEnum):
    """What is done with each line."""

    REFINE = "refinements"
    SCORE = "scores"
    VERIFY = "verifications"
    ROLL_OUT = "rollouts"
    EVALUATE = "evaluations"


@dataclass(frozen=True, slots=True)
class JobOrder:
    """An accepted job; immutable.

    Attributes:
        key: whose it is, and its id. operation: what is done with each line.
        config: the caller's settings, complete with defaults. digests: of input, config, engines, profile.
        lines, shards: size of the input; every root shard but the last holds `lines_a_shard` lines.
        created: seconds since the epoch. source: id of the uploaded file, None for a body.
        budget: most tokens of the oracle, None without a limit. webhook: told when the job ends.
        labels: the caller's own, given back as they are.
        output: folder ``s3://...`` to which results and errors are written at the end; None: nowhere.
        trace: the W3C ``traceparent`` of the request that it was accepted by; None where none was kept.
    """

    key: JobKey
    operation: Operation
    config: Mapping[str, Any]
    digests: Mapping[str, str]
    lines: int
    shards: int
    created: float
    lines_a_shard: int = LINES_A_SHARD
    source: str | None = None
    budget: int | None = None
    webhook: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    output: str | None = None
    trace: str | None = None

    def to_bytes(self) -> bytes:
        """As it stands in the store; without a trace as versions before there was one wrote it."""
        told = asdict(self)
        if self.trace is None:
            del told["trace"]
        return _dumped({"format": FORMAT, **told})

    @classmethod
    def from_bytes(cls, data: bytes) -> JobOrder:
        """The order that `to_bytes` wrote."""
        stored = _loaded(data, FORMAT)
        key = JobKey(**stored.pop("key"))
        return cls(key=key, operation=Operation(stored.pop("operation")), **stored)

    def lines_of(self, root: int) -> int:
        """How many lines a root shard holds."""
        return min(self.lines_a_shard, self.lines - root * self.lines_a_shard)

    def roots(self) -> range:
        """Numbers of the root shards."""
        return range(self.shards)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a job is bound to before its first shard.

    Attributes:
        profile: id of the student's profile; None where style is not judged.
        identity: engines and digests by dotted name; whoever finds others must not go on.
    """

    profile: str | None
    identity: Mapping[str, Setting] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As it stands in the store."""
        return _dumped(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Prepared:
        """What `to_bytes` wrote."""
        return cls(**_loaded(data))


class Fate(StrEnum):
    """How a shard ended."""

    COMMIT = "commit"
    SPLIT = "split"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """The one object that decides a shard.

    Attributes:
        fate: how it ended. attempt: whose results count, None for a split and where nothing was finished.
        counts: records by outcome of the trajectory; bad lines under ``bad``.
        parts: what it was split into.
    """

    fate: Fate
    attempt: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[ShardId, ...] = ()

    def to_bytes(self) -> bytes:
        """As it stands in the store."""
        return _dumped(
            {
                "fate": self.fate,
                "attempt": self.attempt,
                "counts": dict(self.counts),
                "parts": [str(part) for part in self.parts],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ShardOutcome:
        """The outcome that `to_bytes` wrote."""
        stored = _loaded(data)
        parts = tuple(map(ShardId.parse, stored["parts"]))
        return cls(Fate(stored["fate"]), stored["attempt"], stored["counts"], parts)


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended. `reason` says why it failed; `counts` are those of all its shards."""

    state: JobState
    ended: float
    counts: Mapping[str, int]
    reason: str | None = None

    def to_bytes(self) -> bytes:
        """As it stands in the store."""
        return _dumped(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> JobEnd:
        """The end that `to_bytes` wrote."""
        stored = _loaded(data)
        return cls(JobState(stored["state"]), stored["ended"], stored["counts"], stored["reason"])


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: shards decided and open, and records by outcome."""

    decided: int
    open: int
    counts: Mapping[str, int]


def summed(counts: list[Mapping[str, int]]) -> dict[str, int]:
    """All counts together, by name."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def _dumped(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True).encode("utf-8")


def _loaded(data: bytes, expected: str | None = None) -> dict[str, Any]:
    try:
        stored = json.loads(data)
    except ValueError as error:
        raise IntegrityError(f"an object of a job is no JSON ({error})") from None
    if not isinstance(stored, dict) or stored.pop("format", None) != expected:
        raise IntegrityError(f"an object of a job is no {expected or 'JSON object'}")
    return stored
