"""What a gateway shows, as domain types. Fields that a newer gateway adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from shared.errors import UnavailableError
from shared.jobs.order import JobState

_ENDS = (JobState.COMPLETED, JobState.CANCELLED, JobState.FAILED)
View = TypeVar("View")


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stood when the gateway was asked.

    Attributes:
        id, operation: of the job. status: where it stands. created_at, ended_at: seconds since the epoch.
        lines: of the input, blank ones too. counts: lines by outcome; bad lines under ``bad``.
        config: settings, complete with defaults. reason: why it failed. labels: as the caller gave them.
    """

    id: str
    operation: str
    status: JobState
    created_at: float
    ended_at: float | None
    lines: int
    counts: Mapping[str, int]
    config: Mapping[str, Any]
    reason: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> Job:
        """The job of a JSON object. UnavailableError where it is none."""
        job = viewed(cls, shown)
        return replace(job, status=_state(job))

    @property
    def ended(self) -> bool:
        """Whether nothing changes any more."""
        return self.status in _ENDS

    @property
    def done(self) -> int:
        """Lines that are dealt with."""
        return sum(self.counts.values())


def _state(job: Job) -> JobState:
    try:
        return JobState(job.status)
    except ValueError:
        raise UnavailableError(f"the gateway tells of an unknown status {job.status!r}; upgrade") from None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was uploaded, or that a batch wrote; `bytes` is its size."""

    id: str
    filename: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Student:
    """A student's profile.

    Attributes:
        id: ``NAME@DIGEST``. samples: solutions that it was fitted on. scorer, label: who scores, and what
            kind of figures those are. alpha: share of native spans that the style gate may flag.
    """

    id: str
    name: str
    samples: int
    scorer: str
    label: str
    alpha: float
    created_at: int


@dataclass(frozen=True, slots=True)
class Score:
    """What one text costs a student.

    Attributes:
        index: place of the text, from 0. nll: nats. ppl: exp(nll / tokens), whole and by quarters; None
            where it is unscorable. rsr: rank-surprisal ratio.
        token_scores: (start, end, surprisal in nats, 1-based rank) of every token, where they were asked for.
    """

    index: int
    nll: float
    tokens: int
    ppl: float | None
    quarters: tuple[float | None, ...]
    rsr: float | None
    token_scores: tuple[tuple[int, int, float, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict on one final answer: ``correct``, ``incorrect`` or ``undecided``, and why that."""

    index: int
    verdict: str
    reason: str | None
    answer: str | None


def viewed(kind: type[View], shown: Mapping[str, Any]) -> View:
    """An object of a gateway as a dataclass. UnavailableError where a field is missing."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    try:
        return kind(**{name: _frozen(value) for name, value in shown.items() if name in known})
    except (TypeError, AttributeError):
        text = f"the answer of the gateway holds no {kind.__name__.lower()}; is its address right?"
        raise UnavailableError(text) from None


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
