"""Rewriter `arithmetic`: correct a false result and carry the number on through the steps that use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from services.oracle.rewriters.carry import carry
from services.oracle.rewriters.script import Entry, edits_of, touched_by
from shared.domain import Candidate, Trajectory
from shared.ports import RewriteRequest
from shared.quantities.equations import find_equations, is_true
from shared.quantities.numbers import find_numbers


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Proposes at most one candidate: every false equation put right, in the student's own words."""

    name: str = field(default="arithmetic", init=False)

    def propose(self, request: RewriteRequest) -> Iterator[Candidate]:
        """The corrected solution; nothing where no equation is false."""
        trajectory = request.trajectory
        if not any(not is_true(e) for step in trajectory.steps for e in find_equations(step.text)):
            return
        entries = corrected(trajectory)
        edits = edits_of(trajectory, entries, self.name)
        if edits:
            touched = touched_by(trajectory, entries)
            yield Candidate(edits, self.name, touched, "false equations put right and carried on")


def corrected(trajectory: Trajectory) -> list[Entry]:
    """All steps with false equations put right; a value that the problem gives is never replaced."""
    given = {number.value for number in find_numbers(trajectory.problem.text)}
    values: dict[Fraction, Fraction] = {}
    entries = []
    for step in trajectory.steps:
        done = carry(step.text, {old: new for old, new in values.items() if old not in given}, correct=True)
        values |= done.values
        entries.append(Entry(step.index, done.text))
    return entries
