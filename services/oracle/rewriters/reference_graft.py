"""Rewriter `reference_graft`: the reference's logic, the student's expression.

The last resort of the search: it needs a reference solution. Numbers are derived where they are used, so
that the reference itself is never a source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.oracle.rewriters.graft import Graft
from services.oracle.rewriters.lines import Voice, writes_bare_equations
from services.oracle.rewriters.operation import notation_of
from services.oracle.rewriters.plan import plan_of
from services.oracle.rewriters.script import edits_of, touched_by
from shared.domain import Candidate
from shared.ports import RewriteRequest


@dataclass(frozen=True, slots=True)
class ReferenceGraft:
    """Leads the solution along the reference's derivations, changing as few characters as it can.

    Attributes:
        most: candidates proposed in each voice.
    """

    most: int = 6
    name: str = field(default="reference_graft", init=False)

    def propose(self, request: RewriteRequest) -> Iterator[Candidate]:
        """Candidates from the first wrong step on, cheapest first."""
        plan = plan_of(request.trajectory.problem)
        if plan is None or not request.trajectory.steps:
            return
        steps = [step.text for step in request.trajectory.steps]
        voices = [Voice(notation_of(request))]
        if writes_bare_equations(steps):
            voices.insert(0, Voice(voices[0].notation, terse=True))
        start = _start(request)
        for voice in voices:
            graft = Graft(request.trajectory, plan, voice, start)
            for entries in graft.solutions(self.most):
                edits = edits_of(request.trajectory, entries, self.name)
                if edits:
                    touched = touched_by(request.trajectory, entries)
                    yield Candidate(edits, self.name, touched, f"led along the reference from step {start}")


def _start(request: RewriteRequest) -> int:
    """The located step, the first one where nobody located any."""
    first = request.diagnosis.first_error
    last = len(request.trajectory.steps) - 1
    return min(first, last) if first is not None and first >= 0 else 0
