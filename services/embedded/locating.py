"""Which locators a run asks, and by which weights: rules here, an oracle service's, the student itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from services.pipeline.refinement.rollout import RolloutLocator
from services.pipeline.refinement.weighted import WeightedLocator
from shared.errors import FieldError
from shared.ports import Locator

if TYPE_CHECKING:
    from services.embedded.composition import Services
    from shared.clients.oracle import OracleClient

Weights = tuple[tuple[str, float], ...]
ROLLOUT = "rollout"
RULES = ("combined", "answer", "arithmetic", "reference")
"""Rules that run here; every oracle service has them too, listed or not."""


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


def told(weights: Weights) -> str:
    """The choice in one line, in its order, which is that of equal findings."""
    return ", ".join(f"{name}={weight!r}" for name, weight in weights)


def check_there(weights: Weights, generates: bool, services: Services) -> None:
    """FieldError for a locator that isn't there, and for `rollout` without a student that goes on.

    `generates`: the caller lets the student go on anyway.
    """
    names = [*(_served(services.oracle) if services.oracle else RULES), ROLLOUT]
    unknown = [name for name, _ in weights if name not in names]
    if unknown:
        raise FieldError("locators", f"{unknown[0]!r} is unknown", f"choose among {', '.join(names)}")
    if ROLLOUT in dict(weights):
        _check_student(generates, services)


def _check_student(generates: bool, services: Services) -> None:
    if services.student is None and not generates:
        cure = "add --generate, or name a student service with --student"
        raise FieldError("locators", f"{ROLLOUT!r} needs a student that goes on", cure)
    if services.student is not None and not services.student.info.generates:
        cure = "start the service with an engine that generates"
        raise FieldError("locators", f"{ROLLOUT!r} needs a student that goes on; the served one can't", cure)


def _served(client: OracleClient) -> list[str]:
    """Names that the oracle is known to have: those it combines, the rules, `critic` where it has a model."""
    thinking = ["critic"] if client.info.judges else []
    return list(dict.fromkeys([*client.info.locators, *RULES, *thinking]))


def locator_here(weights: Weights, rollout: RolloutLocator | None) -> Locator:
    """The locators of `weights` in this process; without any, ``combined``."""
    from services.oracle import locators

    there: dict[str, Locator] = {
        "combined": locators.CombinedLocator(),
        "answer": locators.AnswerLocator(),
        "arithmetic": locators.ArithmeticLocator(),
        "reference": locators.ReferenceLocator(),
    }
    return _weighted(weights or (("combined", 1.0),), there, rollout)


def locator_there(weights: Weights, client: OracleClient, rollout: RolloutLocator | None) -> Locator:
    """The locators of `weights` in the oracle service; without any, the oracle's own combination.

    The oracle combines its own in one call. Beside `rollout` each is asked by itself and combined here, by
    the same formula: a combination no longer tells who voted for what.
    """
    from shared.clients.oracle import RemoteLocator

    if rollout is None:
        return RemoteLocator(client, dict(weights))
    alone = {name: RemoteLocator(client, {name: 1.0}, name) for name, _ in weights if name != ROLLOUT}
    return _weighted(weights, alone, rollout)


def _weighted(weights: Weights, there: Mapping[str, Locator], rollout: RolloutLocator | None) -> Locator:
    """One locator as it is, several by their weights."""
    named = {**there, ROLLOUT: rollout} if rollout else there
    chosen = [named[name] for name, _ in weights]
    return chosen[0] if len(chosen) == 1 else WeightedLocator(chosen, dict(weights))
