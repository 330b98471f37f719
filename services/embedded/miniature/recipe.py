"""How the student is pre-trained, in figures."""

from __future__ import annotations

from dataclasses import dataclass

from services.embedded.miniature.corpus import Mix


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of pre-training.

    Attributes:
        steps: updates. mix: of rows. peak, final: learning rate after the warm-up and at the end, between
            which it falls in a line. warmup: steps in which it rises from nothing.
    """

    steps: int
    mix: Mix
    peak: float
    final: float
    warmup: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a 0-based step."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.peak + (self.final - self.peak) * done


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that the weights depend on beside the seed; `batch` counts rows a step."""

    phases: tuple[Phase, ...]
    batch: int = 16


RECIPE = Recipe(
    (
        Phase(1600, Mix(equations=0.35), peak=3e-3, final=1e-3, warmup=50),
        Phase(300, Mix(equations=0.15, others=0.02), peak=1e-3, final=5e-5),
    )
)
