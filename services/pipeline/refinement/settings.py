"""What a caller can choose about the search."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import FieldError

ALGORITHM = 3
"""Version of the search. A resume is refused across a change; raise it when results would differ."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Knobs of the search; all of them enter the config digest.

    Attributes:
        weight: lambda of utility = benefit - lambda * cost, >= 0.
        gate: ``enforce`` drops candidates that do not sound like the student, ``report`` only says so.
        candidates: how many acceptable candidates of one tier are scored.
        attempts: how many candidates of one tier are looked at.
        batch: trajectories that are worked on, and scored, together.
        seed: start of every derived seed.
    """

    weight: float = 1.0
    gate: str = "enforce"
    candidates: int = 6
    attempts: int = 24
    batch: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise FieldError("lambda", f"{self.weight} is negative", "give a number >= 0")
        if self.gate not in ("enforce", "report"):
            raise FieldError("gate", f"{self.gate!r} is unknown", "use enforce or report")
        for name in ("candidates", "attempts", "batch"):
            if getattr(self, name) < 1:
                raise FieldError(name, "is below 1", "give a positive whole number")
