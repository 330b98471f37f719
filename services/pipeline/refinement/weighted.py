"""Several locators in one diagnosis, by weights that the caller states; the formula: `shared.weighing`.

A locator that fails makes the call fail; no vote is silently dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain import Diagnosis, Trajectory, Verdict
from shared.ports import Locator
from shared.weighing import check_weights, weighed


@dataclass(frozen=True, slots=True)
class WeightedLocator:
    """Implements `shared.ports.Locator`; asks every locator in turn, and is as safe from threads as they are.

    Attributes:
        locators: at least one, with names of their own.
        weights: one weight for each name, as `shared.weighing.check_weights` wants them.
    """

    locators: Sequence[Locator]
    weights: Mapping[str, float]
    name: str = field(default="weighted", init=False)

    def __post_init__(self) -> None:
        check_weights([locator.name for locator in self.locators], self.weights)

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """The step with the largest support. Raises what the first failing locator raises."""
        votes = [
            (self.weights[locator.name], locator.locate(trajectory, verdict)) for locator in self.locators
        ]
        return weighed(votes, verdict)
