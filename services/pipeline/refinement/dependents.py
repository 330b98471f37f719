"""Which steps lean on a given step, so that a repair can be told from a rewrite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from shared.quantities.derivations import derivations
from shared.quantities.numbers import find_numbers


def dependents(problem: str, steps: Sequence[str], flagged: Iterable[int]) -> frozenset[int]:
    """The flagged steps and every later step that uses a result of one of them, directly or not.

    A step uses a result when it holds that value and the problem doesn't. The last step leans on
    everything before it: it holds the answer.
    """
    reached = set(flagged)
    if not reached:
        return frozenset()
    given = {n.value for n in find_numbers(problem)}
    results = _results(steps)
    tainted: set[Fraction] = set()
    for index, step in enumerate(steps):
        if index in reached or tainted & {n.value for n in find_numbers(step)}:
            reached.add(index)
            tainted |= results[index] - given
    if min(reached) < len(steps) - 1:
        reached.add(len(steps) - 1)
    return frozenset(reached)


def _results(steps: Sequence[str]) -> list[set[Fraction]]:
    found: list[set[Fraction]] = [set() for _ in steps]
    for derivation in derivations(steps):
        found[derivation.step].add(derivation.result)
    return found
