"""A real, trivial refiner, and a run of it in a process of its own that can be killed.

Every trajectory whose text holds "fail" fails, every third other one gets a full stop at its end, the rest
is kept. Usage: python keeping.py IN OUT [SECONDS A TRAJECTORY].
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from services.embedded.runs import FileRun
from services.embedded.runstate import Position
from services.pipeline.conveyor import Workshop
from shared.domain import (
    Correctness,
    Diagnosis,
    Edit,
    Outcome,
    Refinement,
    Span,
    TokenScores,
    Trajectory,
    Verdict,
)
from shared.record import Provenance
from shared.shapes import parser
from shared.text.edits import apply, preserved_fraction

UNDECIDED = Verdict(Correctness.UNDECIDED, "no_gold")


class KeepingRefiner:
    """Reads `ahead` trajectories before it gives the first result; counts what it worked on."""

    def __init__(self, ahead: int = 1, seconds: float = 0.0) -> None:
        self.ahead = ahead
        self.seconds = seconds
        self.worked: list[int] = []

    def refine_many(self, trajectories: Iterable[Trajectory]) -> Iterator[Refinement]:
        batch: list[Trajectory] = []
        for trajectory in trajectories:
            batch.append(trajectory)
            if len(batch) == self.ahead:
                yield from map(self.refine, batch)
                batch = []
        yield from map(self.refine, batch)

    def refine(self, trajectory: Trajectory) -> Refinement:
        self.worked.append(trajectory.line)
        if self.seconds:
            time.sleep(self.seconds)
        end = Span(len(trajectory.text), len(trajectory.text))
        failed = "fail" in trajectory.text
        edited = not failed and trajectory.line % 3 == 0
        edits = (Edit(end, "", ".", "rules", "stop"),) if edited else ()
        return Refinement(
            trajectory=trajectory,
            refined=apply(trajectory.text, edits),
            outcome=Outcome.FAILED if failed else Outcome.REPAIRED if edited else Outcome.KEPT,
            reason="crash" if failed else None,
            diagnosis=Diagnosis(None, 0.0),
            edits=edits,
            before=UNDECIDED,
            after=UNDECIDED,
            gold_source="none",
            style=None,
            utility=None,
            gate=None,
            tried=(),
            preserved=preserved_fraction(trajectory.text, edits),
        )


class CharacterTokens:
    """One token a character, each of the same surprisal."""

    def token_scores(self, refinement: Refinement) -> tuple[TokenScores, TokenScores]:
        return self._of(refinement.trajectory.text), self._of(refinement.refined)

    def _of(self, text: str) -> TokenScores:
        spans = tuple(Span(at, at + 1) for at in range(len(text)))
        return TokenScores(spans, (0.5,) * len(text), (1,) * len(text))


class Unwatched:
    """Looks away."""

    def advance(self, position: Position) -> None:
        """Nothing to show."""


def workshop(refiner: KeepingRefiner) -> Workshop:
    return Workshop(refiner, Provenance("test", seed=1, code="test"), parser(), CharacterTokens())


if __name__ == "__main__":
    source, output, pace = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    with FileRun(source, output, {"pace": "any"}) as run:
        print("begun", flush=True)
        run.refine(workshop(KeepingRefiner(ahead=7, seconds=pace)), Unwatched())
