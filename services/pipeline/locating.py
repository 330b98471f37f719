"""Which locators a run asks, and by which weights: an oracle service's, and the student itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from services.pipeline.refinement.rollout import RolloutLocator
from services.pipeline.refinement.weighted import WeightedLocator
from shared.clients.oracle import OracleClient, RemoteLocator
from shared.errors import FieldError
from shared.ports import Locator

if TYPE_CHECKING:
    from services.pipeline.assembly import Services

Weights = tuple[tuple[str, float], ...]
ROLLOUT = "rollout"
RULES = ("combined", "answer", "arithmetic", "reference")
"""Rules that run in process; every oracle service has them too, listed or not."""


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


def locator_there(weights: Weights, client: OracleClient, rollout: RolloutLocator | None) -> Locator:
    """The locators of `weights` in the oracle service; without any, the oracle's own combination.

    The oracle combines its own in one call. Beside `rollout` each is asked by itself and combined here, by
    the same formula: a combination no longer tells who voted for what.
    """
    if rollout is None:
        return RemoteLocator(client, dict(weights))
    alone = {name: RemoteLocator(client, {name: 1.0}, name) for name, _ in weights if name != ROLLOUT}
    return by_weight(weights, alone, rollout)


def by_weight(weights: Weights, there: Mapping[str, Locator], rollout: RolloutLocator | None) -> Locator:
    """One locator as it is, several by their weights."""
    named = {**there, ROLLOUT: rollout} if rollout else there
    chosen = [named[name] for name, _ in weights]
    return chosen[0] if len(chosen) == 1 else WeightedLocator(chosen, dict(weights))
