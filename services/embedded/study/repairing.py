"""The project's own search as a study asks for it: on the student's trajectories, known by its samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from services.embedded.students import fitted_here
from services.pipeline.assembly import Judges, RunSettings, put_together
from services.pipeline.refinement.settings import SearchSettings
from shared.domain import Refinement, Trajectory
from shared.ports import Locator, Rewriter, Verifier

if TYPE_CHECKING:
    from services.student.profile import FittedStudent


class SearchRepair:
    """Implements `services.pipeline.study.parts.Repair` by rules alone: no language model proposes repairs.

    The style gate and the cost are those of the proxy that is fitted on the student's samples.
    """

    def __init__(self, verifier: Verifier, locator: Locator) -> None:
        self._verifier, self._locator = verifier, locator

    def __call__(
        self,
        samples: Sequence[tuple[str, str]],
        trajectories: Sequence[Trajectory],
        options: Mapping[str, Any],
    ) -> Iterable[Refinement]:
        """One refinement a trajectory, in order. InputError for fewer than 200 different samples."""
        from services.student.profile import fit_student

        student = fit_student("student", samples, kind="proxy", alpha=options["alpha"])
        return self._refined(student, trajectories, options)

    def _refined(
        self, student: FittedStudent, trajectories: Sequence[Trajectory], options: Mapping[str, Any]
    ) -> Iterator[Refinement]:
        from services.oracle.rewriters.arithmetic import Arithmetic
        from services.oracle.rewriters.operation import Operation
        from services.oracle.rewriters.reference_graft import ReferenceGraft

        search = SearchSettings(weight=options["lambda"], gate=options["gate"])
        settings = RunSettings(alpha=options["alpha"], search=search)
        first: list[Rewriter] = [Arithmetic(), Operation()]
        judges = Judges("rules", self._verifier, self._locator, first, [], [ReferenceGraft()])
        assembly = put_together(settings, judges, fitted_here(student), None)
        yield from assembly.refiner.refine_many(trajectories)
