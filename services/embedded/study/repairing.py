"""The project's own search as a study asks for it: on the student's trajectories, known by its samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from services.embedded.students import fitted_here
from services.pipeline.assembly import Judges, RunSettings, put_together
from services.pipeline.refinement.settings import SearchSettings
from services.pipeline.refinement.student_rewriters import StudentContinue
from services.pipeline.study.parts import Continuing
from shared.domain import Refinement, Trajectory
from shared.ports import Generation, GenerationRequest, Locator, Rewriter, Verifier

if TYPE_CHECKING:
    from services.student.profile import FittedStudent


class SearchRepair:
    """Implements `services.pipeline.study.parts.Repair`: rules, and the student itself where it may go on.

    The style gate and the cost are those of the proxy that is fitted on the student's samples.
    """

    def __init__(self, verifier: Verifier, locator: Locator) -> None:
        self._verifier, self._locator = verifier, locator

    @property
    def least(self) -> int:
        """As many as a profile needs."""
        from services.student.profile import LEAST_SAMPLES

        return LEAST_SAMPLES

    def __call__(
        self,
        samples: Sequence[tuple[str, str]],
        trajectories: Sequence[Trajectory],
        options: Mapping[str, Any],
        student: Continuing | None = None,
    ) -> Iterable[Refinement]:
        """One refinement a trajectory, in order. InputError for fewer than 200 different samples.

        The search is run twice where the student goes on: first to hear what it is asked, so that all of
        it can be generated together.
        """
        from services.student.profile import fit_student

        known = fit_student("student", samples, kind="proxy", alpha=options["alpha"])
        if student is None:
            return self._refined(known, trajectories, options, [], last=True)
        heard = _Heard()
        for _ in self._refined(
            known, trajectories, options, [StudentContinue(heard, student.sampling)], last=False
        ):
            pass
        asked = list(heard.requests)
        answers = _Answers(dict(zip(asked, student.generate(asked), strict=True)))
        return self._refined(
            known, trajectories, options, [StudentContinue(answers, student.sampling)], last=True
        )

    def _refined(
        self,
        student: FittedStudent,
        trajectories: Sequence[Trajectory],
        options: Mapping[str, Any],
        going_on: list[Rewriter],
        *,
        last: bool,
    ) -> Iterator[Refinement]:
        from services.oracle.rewriters.arithmetic import Arithmetic
        from services.oracle.rewriters.operation import Operation
        from services.oracle.rewriters.reference_graft import ReferenceGraft

        search = SearchSettings(weight=options["lambda"], gate=options["gate"])
        settings = RunSettings(alpha=options["alpha"], search=search)
        first: list[Rewriter] = [Arithmetic(), Operation()]
        grafts: list[Rewriter] = [ReferenceGraft()] if last else []
        judges = Judges("rules", self._verifier, self._locator, first, going_on, grafts)
        assembly = put_together(settings, judges, fitted_here(student), None)
        yield from assembly.refiner.refine_many(trajectories)


@dataclass(slots=True)
class _Heard:
    """Implements `Generator`: remembers what it is asked, in order and once each, and says nothing."""

    requests: dict[GenerationRequest, None] = field(default_factory=dict)

    def generate(self, request: GenerationRequest) -> list[Generation]:
        self.requests[request] = None
        return []


@dataclass(frozen=True, slots=True)
class _Answers:
    """Implements `Generator` on samples that are there already."""

    samples: Mapping[GenerationRequest, list[Generation]]

    def generate(self, request: GenerationRequest) -> list[Generation]:
        return self.samples[request]
