"""How the learning rate goes: up over the warm-up, then down by the schedule that was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable

from shared.domain.training import TrainingSettings


def share_of_peak(settings: TrainingSettings, steps: int) -> Callable[[int], float]:
    """The learning rate of a step (0-based, of `steps` in all) as a share of the peak.

    The warm-up ends with the peak. Behind it `linear` falls to `final_share`, which the step after the last
    one would have; `cosine` falls to it along half a wave; `constant` stays.
    """
    warmup, final = settings.warmup_steps, settings.final_share
    falling = max(1, steps - warmup)

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = min(1.0, (step - warmup) / falling)
        if settings.schedule == "linear":
            return 1.0 - (1.0 - final) * done
        if settings.schedule == "cosine":
            return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * done))
        return 1.0

    return share
