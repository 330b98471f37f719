"""Locator `prm`: the first step after which a process reward model no longer believes in the solution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.inference.base import RewardModel
from services.oracle.locators.findings import undecidable
from shared.domain import Diagnosis, Finding, StepVerdict, Trajectory, Verdict
from shared.errors import FieldError, IntegrityError


@dataclass(frozen=True, slots=True)
class PrmLocator:
    """Implements `services.oracle.base.ServedLocator` on any reward model that grades steps.

    A step's reward is how likely the solution is right up to there, so the confidence of "step i is the
    first wrong one" is ``1 - reward[i]``, and that of "nothing is wrong" the smallest reward. Both follow
    from the model's own numbers; nobody has calibrated them.

    Attributes:
        threshold: in (0, 1); a step is wrong where its reward is below.
    """

    model: RewardModel
    threshold: float = 0.5
    name: str = field(default="prm", init=False)

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            cure = "give a number between 0 and 1"
            raise FieldError("threshold", f"is {self.threshold}", cure)

    async def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """The first step with a reward below the threshold, or -1; None without steps."""
        if not trajectory.steps:
            return undecidable()
        texts = [step.text for step in trajectory.steps]
        rewards = await self.model.step_rewards(trajectory.problem.text, texts)
        self._check(rewards, len(texts))
        first = next((index for index, reward in enumerate(rewards) if reward < self.threshold), None)
        if first is None:
            return Diagnosis(-1, round(min(rewards), 4))
        confidence = round(1 - rewards[first], 4)
        span, said = trajectory.steps[first].span, _evidence(rewards, first)
        return Diagnosis(
            first, confidence, (Finding(first, span, StepVerdict.WRONG, said, self.name, confidence),)
        )

    def _check(self, rewards: Sequence[float], steps: int) -> None:
        fair = all(math.isfinite(reward) and 0 <= reward <= 1 for reward in rewards)
        if len(rewards) != steps or not fair:
            name = self.model.info.name
            raise IntegrityError(f"{name} must give {steps} rewards from 0 to 1, it gave {list(rewards)[:8]}")


def _evidence(rewards: Sequence[float], first: int) -> str:
    before = f", {rewards[first - 1]:.2f} before" if first else ""
    return f"reward {rewards[first]:.2f} at step {first}{before}"
