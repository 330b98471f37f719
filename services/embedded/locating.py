"""Locators that run in this process, and how a choice of locators is written."""

from __future__ import annotations

from collections.abc import Sequence

from services.pipeline.locating import Weights, by_weight
from services.pipeline.refinement.rollout import RolloutLocator
from shared.errors import FieldError
from shared.ports import Locator


def weights_of(choices: Sequence[str]) -> Weights:
    """Names and weights from texts ``NAME=WEIGHT``; a name alone weighs 1."""
    return tuple(_weight_of(choice) for choice in choices)


def _weight_of(choice: str) -> tuple[str, float]:
    name, given, weight = choice.partition("=")
    try:
        return name.strip(), float(weight) if given else 1.0
    except ValueError:
        cure = "write NAME=WEIGHT, for example combined=1"
        raise FieldError("locators", f"{weight!r} of {choice!r} is no number", cure) from None


def locator_here(weights: Weights, rollout: RolloutLocator | None) -> Locator:
    """The locators of `weights` in this process; without any, ``combined``."""
    from services.oracle import locators

    there: dict[str, Locator] = {
        "combined": locators.CombinedLocator(),
        "answer": locators.AnswerLocator(),
        "arithmetic": locators.ArithmeticLocator(),
        "reference": locators.ReferenceLocator(),
    }
    return by_weight(weights or (("combined", 1.0),), there, rollout)
