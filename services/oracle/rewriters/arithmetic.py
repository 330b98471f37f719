"""Rewriter `arithmetic`: correct a false result and carry the number on through the steps that use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from services.oracle.rewriters.carry import carry, concluded
from services.oracle.rewriters.script import Entry, edits_of, touched_by
from shared.domain import Candidate, Trajectory
from shared.ports import RewriteRequest
from shared.quantities.equations import find_equations, is_true
from shared.quantities.numbers import find_numbers


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Proposes every false equation put right, in the student's own words: one candidate, seldom two.

    The second one concludes with the corrected result where the false one is a number of the problem too.
    """

    name: str = field(default="arithmetic", init=False)

    def propose(self, request: RewriteRequest) -> Iterator[Candidate]:
        """The corrected solution; nothing where no equation is false."""
        trajectory = request.trajectory
        if not any(not is_true(e) for step in trajectory.steps for e in find_equations(step.text)):
            return
        entries, values = corrected(trajectory)
        proposals = [entries]
        last = entries[-1]
        conclusion = concluded(last.text or "", values)
        if conclusion != last.text:
            proposals.append([*entries[:-1], Entry(last.native, conclusion)])
        for proposed in proposals:
            edits = edits_of(trajectory, proposed, self.name)
            if edits:
                touched = touched_by(trajectory, proposed)
                yield Candidate(edits, self.name, touched, "false equations put right and carried on")


def corrected(trajectory: Trajectory) -> tuple[list[Entry], dict[Fraction, Fraction]]:
    """All steps with false equations put right, and the values that changed, old -> new.

    A value that the problem gives is never replaced.
    """
    given = {number.value for number in find_numbers(trajectory.problem.text)}
    values: dict[Fraction, Fraction] = {}
    entries = []
    for step in trajectory.steps:
        done = carry(step.text, {old: new for old, new in values.items() if old not in given}, correct=True)
        values |= done.values
        entries.append(Entry(step.index, done.text))
    return entries, values
