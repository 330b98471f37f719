"""The one place where implementations are chosen and put together, in process.

Heavy parts (verifier workers, models) are imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from services.pipeline.refinement.search import Refiner
from services.pipeline.refinement.selection import Student
from services.pipeline.refinement.settings import ALGORITHM, SearchSettings
from services.pipeline.refinement.student_rewriters import Sampling, StudentContinue, StudentGuided
from shared.domain import StudentProfile
from shared.errors import FieldError
from shared.ports import Rewriter

if TYPE_CHECKING:
    from services.student.profile import FittedStudent

ScorerKind = Literal["proxy", "transformers", "none"]
Samples = Callable[[], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything a refinement run is told; all of it enters the config digest, but `workers`.

    Attributes:
        student: name of the student, used where a profile is fitted.
        scorer: who scores style; ``none`` leaves style and utility out.
        model: folder, GGUF file or hub name for the scorer; None takes the default.
        alpha: share of native spans that the style gate may flag.
        generate: let the student go on by itself (rewriters `student_continue`, `student_guided`).
        student_model: model that generates; None takes the default.
        search: knobs of the search.
        workers: verifier processes.
    """

    student: str = "student"
    scorer: ScorerKind = "proxy"
    model: str | None = None
    alpha: float = 0.05
    generate: bool = False
    student_model: str | None = None
    search: SearchSettings = field(default_factory=SearchSettings)
    workers: int = 1

    def __post_init__(self) -> None:
        if self.scorer not in ("proxy", "transformers", "none"):
            raise FieldError("scorer", f"{self.scorer!r} is unknown", "use proxy, transformers or none")
        if not 0 < self.alpha < 1:
            raise FieldError("alpha", f"{self.alpha} is no share", "give a number between 0 and 1")

    def config(self) -> dict[str, Any]:
        """What determines the results, JSON-ready."""
        settings = asdict(self)
        del settings["workers"]
        return {**settings, "algorithm": ALGORITHM}


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one run, ready to use.

    Attributes:
        refiner: the search. student: profile, scorer and gate; None without a scorer.
        engines: name of the engine behind each role, for provenance.
    """

    refiner: Refiner
    student: FittedStudent | None
    engines: dict[str, str]

    @property
    def profile(self) -> StudentProfile | None:
        """The profile in use."""
        return self.student.profile if self.student else None


def fit(settings: RunSettings, samples: Samples) -> FittedStudent | None:
    """The student as its own texts show it; None where no scorer is wanted."""
    if settings.scorer == "none":
        return None
    from services.student.profile import fit_student

    return fit_student(
        settings.student, samples(), kind=settings.scorer, model=settings.model, alpha=settings.alpha
    )


def load(folder: Path) -> FittedStudent:
    """A student that was fitted before."""
    from services.student.profile import load_student

    return load_student(folder)


@contextmanager
def assemble(settings: RunSettings, student: FittedStudent | None) -> Iterator[Assembly]:
    """The search over real parts; verifier processes end with the context."""
    from services.oracle.locators.combine import CombinedLocator
    from services.oracle.verifier.verifier import SandboxedVerifier

    speaker = Student(student.profile, student.scorer, student.gate) if student else None
    with SandboxedVerifier(settings.workers) as verifier:
        tiers = rewriters(settings)
        refiner = Refiner(verifier, CombinedLocator(), tiers, speaker, settings.search)
        names = ", ".join(dict.fromkeys(rewriter.name for tier in tiers for rewriter in tier))
        engines = {"oracle": "rules", "rewriters": names}
        if student:
            engines["scorer"] = student.scorer.info.name
        if settings.generate:
            engines["student"] = f"transformers:{settings.student_model or 'default'}"
        yield Assembly(refiner, student, engines)


def rewriters(settings: RunSettings) -> Sequence[Sequence[Rewriter]]:
    """Rewriters by tier, cheapest and most native first."""
    from services.oracle.rewriters.arithmetic import Arithmetic
    from services.oracle.rewriters.operation import Operation
    from services.oracle.rewriters.reference_graft import ReferenceGraft

    cheap: list[Rewriter] = [Arithmetic(), Operation()]
    last: list[Rewriter] = [ReferenceGraft()]
    if not settings.generate:
        return [cheap, last]
    return [cheap, student_tier(settings.student_model, Sampling()), last]


def student_tier(model: str | None, sampling: Sampling) -> list[Rewriter]:
    """The rewriters in which the student itself goes on, on one generator."""
    from services.student.engines.generator import TransformersGenerator

    generator = TransformersGenerator.load(model)
    return [StudentContinue(generator, sampling), StudentGuided(generator, sampling)]
