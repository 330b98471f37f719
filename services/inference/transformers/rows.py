"""One request for samples and its rows, up to the finished text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.inference.checkpoint import Checkpoint
from services.inference.transformers.choice import stream
from services.inference.transformers.pasts import Past
from shared.domain import Sample, Sampling

if TYPE_CHECKING:
    import torch


@dataclass(slots=True, eq=False)
class Job:
    """A request for samples.

    Attributes:
        prompt: ids of conversation and prefix; prefix: those of the prefix alone.
        limit: most new tokens of a row, the context included. sampling: as asked.
        done: called with each sample as it finishes. failed: called at most once, and nothing after it.
        cancelled: set from any thread; its rows leave at the next step.
        begun: rows that have started. past, cached: its prompt but for the last token, and how many tokens
            of that came from the prefix cache.
    """

    prompt: list[int]
    prefix: list[int]
    sampling: Sampling
    limit: int
    done: Callable[[Sample], None]
    failed: Callable[[Exception], None]
    cancelled: bool = False
    begun: int = 0
    past: Past | None = None
    cached: int = 0

    @property
    def reach(self) -> int:
        """Most tokens that a row of this job can take."""
        return len(self.prompt) + self.limit


@dataclass(slots=True, eq=False)
class Row:
    """One sample in the making; `feed` is the token that the next step reads."""

    job: Job
    index: int
    cached: int
    draws: torch.Generator
    feed: int
    ids: list[int] = field(default_factory=list)

    @classmethod
    def begin(cls, job: Job) -> Row:
        """The next row of a job whose prompt has been read but for its last token."""
        index, job.begun = job.begun, job.begun + 1
        cached = len(job.prompt) - 1 if index else job.cached
        return cls(job, index, cached, stream(job.sampling.seed, index), job.prompt[-1])

    def accept(self, symbol: int, checkpoint: Checkpoint, ends: frozenset[int]) -> Sample | None:
        """Go on with a chosen token; the sample, where that was the last one."""
        if symbol in ends:
            return self._sample(self._text(checkpoint), finished=True)
        self.ids.append(symbol)
        self.feed = symbol
        text = self._stopped(checkpoint)
        if text is not None:
            return self._sample(text, finished=True)
        if len(self.ids) >= self.job.limit:
            return self._sample(self._text(checkpoint), finished=False)
        return None

    def _stopped(self, checkpoint: Checkpoint) -> str | None:
        """The text before the first stop string, where there is one.

        A character is at most four tokens of any vocabulary (its bytes), so only the last tokens are looked
        at until something is found.
        """
        stops = self.job.sampling.stop
        if not stops:
            return None
        recent = self.ids[-4 * max(map(len, stops)) - 4 :]
        if _first(checkpoint.decode(recent), stops) is None:
            return None
        text = self._text(checkpoint)
        place = _first(text, stops)
        return None if place is None else text[:place]

    def _text(self, checkpoint: Checkpoint) -> str:
        return checkpoint.continuation(self.job.prefix, self.ids)

    def _sample(self, text: str, *, finished: bool) -> Sample:
        return Sample(self.index, text, len(self.ids), len(self.job.prompt), finished, self.cached)


def _first(text: str, stops: Sequence[str]) -> int | None:
    places = [place for place in map(text.find, stops) if place >= 0]
    return min(places, default=None)
