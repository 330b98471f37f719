"""How the student is pre-trained, in figures."""

from __future__ import annotations

from dataclasses import dataclass

from services.embedded.miniature.corpus import Mix

# Full learning rates: matrices inside the layers learn by Muon, all else by AdamW.
MUON_RATE, ADAM_RATE = 2e-2, 3e-3
# Steps between two looks at whether a phase may end.
LOOK = 25


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of pre-training.

    Attributes:
        steps: updates. mix: of rows. peak, final: shares of the full learning rates after the warm-up and at
            the end, between which they fall in a line. warmup: steps in which they rise from nothing.
        until: ends sooner, once the loss on fixed equations (nats a token of the results) is that low.
    """

    steps: int
    mix: Mix
    peak: float
    final: float
    warmup: int = 0
    until: float | None = None

    def share(self, step: int) -> float:
        """Share of the full learning rates at a 0-based step."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.peak + (self.final - self.peak) * done


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that the weights depend on beside the seed; `batch` counts rows a step."""

    phases: tuple[Phase, ...]
    batch: int = 16


# Students learn to add late and suddenly, each seed at another step: `until` stops
# them near one level of skill, no nearer than their model cards say.
RECIPE = Recipe(
    (
        Phase(950, Mix(equations=0.5), peak=1.0, final=0.3, warmup=50, until=0.14),
        Phase(250, Mix(equations=0.15, others=0.02), peak=0.3, final=0.02),
    )
)
