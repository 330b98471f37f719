"""A solution read against the known quantities: what each step derives, and what follows from what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from services.oracle.locators.known import GOOD, Known, Standing, number_in
from shared.domain import Span, Verdict
from shared.quantities import (
    Derivation,
    Expression,
    Link,
    Number,
    evaluate,
    find_equations,
    find_numbers,
    links,
)
from shared.quantities.algebra import Relation, relations, root, same
from shared.quantities.derivations import implied_derivations
from shared.quantities.grounding import unmarked_numbers

_BOXED = re.compile(r"boxed\{\\?\$?\s?(-?[\d.,]{1,20})")
_SHIFT = 0.005
MAX_DERIVATIONS = 40
MAX_CANDIDATES = 120
_REACH = 12


@dataclass(frozen=True, slots=True)
class Derived:
    """One derivation of the solution.

    Attributes:
        made: the derivation itself.
        standing: of its result to the reference.
        false: whether its equation is plainly false.
        tainted: whether an operand is an unknown quantity derived earlier.
    """

    made: Derivation
    standing: Standing
    false: bool
    tainted: bool

    @property
    def departs(self) -> bool:
        """Whether this isn't a value that the reference derives, or is derived falsely."""
        return self.false or self.standing not in GOOD

    @property
    def unknown_root(self) -> bool:
        """An unknown quantity from quantities that are not unknown."""
        return self.standing is Standing.UNKNOWN and not self.tainted


@dataclass(frozen=True, slots=True)
class StepReading:
    """What one step holds.

    Attributes:
        text: the step. derived: its derivations, in order. numbers: all its numbers.
        loose_numbers: numbers outside equations that are no step marker.
        slips: its false arithmetic claims. relations: its algebraic equations.
        sides_differ: a false equality between constants, or one wrong line in a simplification.
        inexact: some equality holds only when rounded or read loosely.
    """

    text: str
    derived: tuple[Derived, ...]
    numbers: tuple[Number, ...]
    loose_numbers: tuple[Number, ...]
    slips: tuple[Link, ...]
    relations: tuple[Relation, ...]
    sides_differ: bool
    inexact: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole solution against the known quantities.

    Attributes:
        steps: one reading a step. derived: all derivations, in order.
        changed: steps in which an equation's solution changes: step -> (before, now, variable).
        known: the known quantities.
        answer: the final answer where it is a number.
    """

    steps: tuple[StepReading, ...]
    derived: tuple[Derived, ...]
    changed: Mapping[int, tuple[float, float, str]]
    known: Known
    answer: Fraction | None


MAX_TEXT = 40_000
"""Longer solutions (in code points) are not read; nobody could tell where they go wrong."""


def readable(steps: Sequence[str]) -> bool:
    """Whether a solution has steps and is short enough to be read."""
    return bool(steps) and sum(map(len, steps)) <= MAX_TEXT


def read(steps: Sequence[str], known: Known, verdict: Verdict) -> Reading:
    """Reads `steps` against `known`; the final answer is the verdict's where that is a number."""
    made = _derived(steps, known)
    grouped: dict[int, list[Derived]] = {}
    for one in made:
        grouped.setdefault(one.made.step, []).append(one)
    readings = tuple(_step(text, grouped.get(index, ())) for index, text in enumerate(steps))
    return Reading(readings, tuple(made), _changed(readings), known, _answer(steps, verdict))


def _derived(steps: Sequence[str], known: Known) -> list[Derived]:
    unknown: set[Fraction] = set()
    found = []
    for made in implied_derivations(steps):
        standing = known.standing(made)
        tainted = any(operand in unknown for operand in made.operands)
        if standing is Standing.UNKNOWN:
            unknown.add(abs(made.result))
        elif standing is not Standing.GIVEN and not tainted:
            unknown.discard(abs(made.result))
        false = made.equation is not None and any(link.holds is False for link in links(made.equation))
        found.append(Derived(made, standing, false, tainted))
    return found


def _step(text: str, made: Sequence[Derived]) -> StepReading:
    equations = find_equations(text)
    claims = [link for equation in equations for link in links(equation)]
    slips = tuple(claim for claim in claims if claim.holds is False)
    found = relations(text)
    return StepReading(
        text,
        tuple(made),
        find_numbers(text),
        unmarked_numbers(text, equations),
        slips,
        found,
        any(_differs(relation) for relation in found),
        any(claim.holds is not False and claim.expected != claim.result.value for claim in claims),
    )


def _differs(relation: Relation) -> bool:
    """Whether constants with roots or symbols differ, or one line of a simplification departs."""
    pairs = [
        (left, right, same(left, right))
        for left, right in zip(relation.sides, relation.sides[1:], strict=False)
        if not (left.atom and left.names) and not (left.plain and right.plain)
    ]
    kept = any(verdict for _, _, verdict in pairs)
    return any(
        verdict is False and left.names == right.names and (kept or not left.names)
        for left, right, verdict in pairs
    )


def _answer(steps: Sequence[str], verdict: Verdict) -> Fraction | None:
    """The verdict's answer, else the last boxed number, else the last number of the last steps."""
    if verdict.answer is not None and (value := number_in(verdict.answer)) is not None:
        return value
    tail = " ".join(steps[-2:])
    boxed = _BOXED.findall(tail)
    if boxed and (value := number_in(boxed[-1].rstrip(".,"))) is not None:
        return value
    numbers = find_numbers(steps[-1]) if steps else ()
    numbers = numbers or find_numbers(tail)
    return numbers[-1].value if numbers else None


def _changed(steps: Sequence[StepReading]) -> dict[int, tuple[float, float, str]]:
    """Only linear equations in one variable count, and only within two steps of the last one."""
    last: dict[str, tuple[float, int]] = {}
    found: dict[int, tuple[float, float, str]] = {}
    for index, step in enumerate(steps):
        for relation in step.relations:
            solved = root(relation)
            if solved is None:
                continue
            name, value = solved
            before = last.get(name)
            if (
                before
                and index - before[1] <= 2
                and abs(before[0] - value) > _SHIFT * max(1e-9, abs(before[0]))
            ):
                found.setdefault(index, (before[0], value, name))
            last[name] = (value, index)
    return found


def repairs(reading: Reading) -> list[int]:
    """For each derivation: how many results become the reference's if its own value were put right."""
    return [max((count for count, _ in _gains(reading, place)), default=0) for place in _places(reading)]


def best_repair(reading: Reading, place: int) -> Fraction | None:
    """The value in place of that derivation's result which puts most later results right, if at least two."""
    count, value = max(_gains(reading, place), default=(0, Fraction(0)))
    return value if count >= 2 else None


def dead_ends(reading: Reading) -> list[Derived]:
    """Unknown quantities from which neither the answer nor any known quantity is derived.

    A few of them are harmless detours; they count only where they are no fewer than the reference's own
    quantities in the solution.
    """
    made = reading.derived
    alive: set[Fraction] = {abs(reading.answer)} if reading.answer is not None else set()
    dead = []
    for one in reversed(made):
        size = abs(one.made.result)
        if size in alive or one.standing is not Standing.UNKNOWN:
            alive.update(one.made.operands)
        else:
            dead.append(one)
    good = sum(one.standing in GOOD for one in made)
    return [one for one in reversed(dead) if one.unknown_root] if len(dead) >= good else []


def _places(reading: Reading) -> range:
    return range(min(len(reading.derived), MAX_DERIVATIONS))


def _gains(reading: Reading, place: int) -> list[tuple[int, Fraction]]:
    start = reading.derived[place]
    if not start.departs:
        return []
    exact = evaluate(start.made.expression)
    candidates = set(reading.known.derived) if len(reading.known.derived) <= MAX_CANDIDATES else set()
    candidates |= {exact} if exact is not None else set()
    return [(_put_right(reading, place, value), value) for value in candidates]


def _put_right(reading: Reading, place: int, value: Fraction) -> int:
    made, targets = reading.derived, reading.known.derived
    if value == made[place].made.result:
        return 0
    new = {abs(made[place].made.result): value}
    count = int(value in targets)
    for one in made[place + 1 : place + 1 + _REACH]:
        carried = _carried(one.made.expression, new)
        result = evaluate(carried) if carried is not None else None
        if result is not None:
            new[abs(one.made.result)] = result
            count += abs(result) in targets and one.departs
    return count


def _carried(expression: Expression, new: dict[Fraction, Fraction]) -> Expression | None:
    """The expression with changed operands put in; None where none of them occurs."""
    if not expression.op:
        value = new.get(expression.value) if expression.value is not None else None
        return replace(expression, value=value) if value is not None else None
    children = [_carried(child, new) for child in expression.children]
    if all(child is None for child in children):
        return None
    whole = tuple(child or old for child, old in zip(children, expression.children, strict=True))
    return replace(expression, children=whole)


def span_in(step_span: Span, part: Span) -> Span:
    """A part of a step as a span of the whole text."""
    return part.shifted(step_span.start)
