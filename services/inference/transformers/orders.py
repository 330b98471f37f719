"""What the event loop hands to the thread that runs the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.domain import Prompt, Sample, Sampling, TokenScores

if TYPE_CHECKING:
    from services.inference.transformers.desk import Desk
    from services.inference.transformers.rows import Job

Failed = Callable[[Exception], None]


@dataclass(slots=True, eq=False)
class SampleOrder:
    """Samples are wanted; `job` is set by the model's thread once it has taken the order."""

    prompt: Prompt
    sampling: Sampling
    done: Callable[[Sample], None]
    failed: Failed
    cancelled: bool = False
    job: Job | None = None

    def cancel(self) -> None:
        """Stop its rows at the next step; safe from any thread."""
        self.cancelled = True
        if self.job is not None:
            self.job.cancelled = True


@dataclass(slots=True, eq=False)
class ScoreOrder:
    """Scores of one text are wanted."""

    prompt: Prompt
    text: str
    done: Callable[[TokenScores], None]
    failed: Failed
    cancelled: bool = False


@dataclass(slots=True, eq=False)
class Command:
    """Something that needs the model for itself; done once all that came before it is."""

    run: Callable[[Desk], object]
    done: Callable[[object], None]
    failed: Failed


@dataclass(slots=True, eq=False)
class Stop:
    """End the thread at once."""


Order = SampleOrder | ScoreOrder | Command | Stop
