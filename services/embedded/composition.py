"""The one place where implementations are chosen and put together, in process.

Heavy parts (verifier workers, models) are imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from services.pipeline.refinement.search import Refiner
from services.pipeline.refinement.selection import Student
from services.pipeline.refinement.settings import ALGORITHM, SearchSettings
from services.pipeline.refinement.student_rewriters import Sampling, StudentContinue, StudentGuided
from shared.domain import ModelInfo, StudentProfile
from shared.errors import FieldError
from shared.ports import Generator, Locator, Rewriter, Scorer, StyleGate, Verifier

if TYPE_CHECKING:
    from services.student.profile import FittedStudent
    from shared.clients.oracle import OracleClient
    from shared.clients.student import StudentClient

ScorerKind = Literal["proxy", "transformers", "served", "none"]
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
        student_engine: engine that generates, ``transformers`` or ``scripted`` in process.
        student_model: model that generates; None takes the default.
        search: knobs of the search.
        workers: verifier processes.
    """

    student: str = "student"
    scorer: ScorerKind = "proxy"
    model: str | None = None
    alpha: float = 0.05
    generate: bool = False
    student_engine: str = "transformers"
    student_model: str | None = None
    search: SearchSettings = field(default_factory=SearchSettings)
    workers: int = 1

    def __post_init__(self) -> None:
        if self.scorer not in ("proxy", "transformers", "served", "none"):
            raise FieldError("scorer", f"{self.scorer!r} is unknown", "use proxy, transformers or none")
        if not 0 < self.alpha < 1:
            raise FieldError("alpha", f"{self.alpha} is no share", "give a number between 0 and 1")

    def config(self) -> dict[str, Any]:
        """What determines the results, JSON-ready."""
        settings = asdict(self)
        del settings["workers"]
        return {**settings, "algorithm": ALGORITHM}


class Speaker(Protocol):
    """Profile, scorer and gate of one student, wherever they run."""

    @property
    def profile(self) -> StudentProfile: ...

    @property
    def scorer(self) -> Scorer: ...

    @property
    def gate(self) -> StyleGate: ...


@dataclass(frozen=True, slots=True)
class Services:
    """Services that take the place of parts in process; None: that part runs here."""

    student: StudentClient | None = None
    oracle: OracleClient | None = None


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts of one run, ready to use.

    Attributes:
        refiner: the search. student: profile, scorer and gate; None without a scorer.
        engines: name of the engine behind each role, for provenance.
        digests: what must be the same when the run is taken up again, beside the engines.
    """

    refiner: Refiner
    student: Student | None
    engines: dict[str, str]
    digests: dict[str, str]

    @property
    def profile(self) -> StudentProfile | None:
        """The profile in use."""
        return self.student.profile if self.student else None


def fit(settings: RunSettings, samples: Samples) -> FittedStudent | None:
    """The student as its own texts show it; None where no scorer is wanted."""
    if settings.scorer == "none":
        return None
    from services.student.profile import fit_student

    if settings.scorer == "served":
        cure = "name the service with --student, or use proxy or transformers"
        raise FieldError("--scorer", "'served' is a model of the student service", cure)
    return fit_student(
        settings.student, samples(), kind=settings.scorer, model=settings.model, alpha=settings.alpha
    )


def load(folder: Path) -> FittedStudent:
    """A student that was fitted before."""
    from services.student.profile import load_student

    return load_student(folder)


@contextmanager
def assemble(
    settings: RunSettings, student: Speaker | None, services: Services | None = None
) -> Iterator[Assembly]:
    """The search over real parts; verifier processes end with the context, connections don't."""
    services = services or Services()
    speaker = Student(student.profile, student.scorer, student.gate) if student else None
    generator = _generator(settings, services.student) if settings.generate else None
    with ExitStack() as stack:
        judges = _judges_here(settings, stack) if services.oracle is None else _judges_there(services.oracle)
        tiers = _tiers(judges, student_tier(generator, Sampling()) if generator else [])
        refiner = Refiner(judges.verifier, judges.locator, tiers, speaker, settings.search)
        names = ", ".join(dict.fromkeys(rewriter.name for tier in tiers for rewriter in tier))
        engines = {"oracle": judges.name, "rewriters": names}
        if speaker:
            engines["scorer"] = speaker.scorer.info.name
        digests = dict(judges.digests)
        if generator:
            engines["student"], digests["student.digest"] = generator.info.name, generator.info.digest
        yield Assembly(refiner, speaker, engines, digests)


@dataclass(frozen=True, slots=True)
class _Judges:
    """The oracle's parts of the search: verifier, locator, and rewriters by tier, the last one apart."""

    name: str
    verifier: Verifier
    locator: Locator
    first: list[Rewriter]
    thinking: list[Rewriter]
    last: list[Rewriter]
    digests: dict[str, str] = field(default_factory=dict)


def _judges_here(settings: RunSettings, stack: ExitStack) -> _Judges:
    from services.oracle.locators.combine import CombinedLocator
    from services.oracle.rewriters.arithmetic import Arithmetic
    from services.oracle.rewriters.operation import Operation
    from services.oracle.rewriters.reference_graft import ReferenceGraft
    from services.oracle.verifier.verifier import SandboxedVerifier

    verifier = stack.enter_context(SandboxedVerifier(settings.workers))
    return _Judges("rules", verifier, CombinedLocator(), [Arithmetic(), Operation()], [], [ReferenceGraft()])


def _judges_there(client: OracleClient) -> _Judges:
    from shared.clients.oracle import RemoteLocator, RemoteRewriter

    info = client.info
    plain = info.model.engine == "rules" and info.locators == {"combined": 1.0}
    by_name = {name: RemoteRewriter(client, name) for name in info.rewriters}
    first: list[Rewriter] = [by_name.pop(name) for name in ("arithmetic", "operation") if name in by_name]
    last: list[Rewriter] = [by_name.pop(name) for name in ("reference_graft",) if name in by_name]
    name = info.model.name if info.model.engine != "rules" else f"rules:{'+'.join(info.locators)}"
    digests = {"oracle.digest": info.model.digest}
    return _Judges(
        "rules" if plain else name,
        client,
        RemoteLocator(client),
        first,
        list(by_name.values()),
        last,
        digests,
    )


def _tiers(judges: _Judges, student: Sequence[Rewriter]) -> list[Sequence[Rewriter]]:
    """Rewriters by tier, cheapest and most native first; nobody stands in an empty tier."""
    return [tier for tier in (judges.first, student, judges.thinking, judges.last) if tier]


class NamedGenerator(Generator, Protocol):
    """A generator that says which model it is."""

    @property
    def info(self) -> ModelInfo: ...


def _generator(settings: RunSettings, client: StudentClient | None) -> NamedGenerator:
    if client is not None:
        return client
    if settings.student_engine == "scripted":
        from services.student.engines.scripted import ScriptedGenerator

        return ScriptedGenerator()
    if settings.student_engine != "transformers":
        cure = "use transformers or scripted, or start a service with it and name that with --student"
        raise FieldError("--student-engine", f"{settings.student_engine!r} does not run here", cure)
    return local_generator(settings.student_model)


def local_generator(model: str | None) -> NamedGenerator:
    """The student in process, on transformers; None takes the default model."""
    from services.student.engines.generator import TransformersGenerator

    return TransformersGenerator.load(model)


def student_tier(generator: Generator, sampling: Sampling) -> list[Rewriter]:
    """The rewriters in which the student itself goes on, on one generator."""
    return [StudentContinue(generator, sampling), StudentGuided(generator, sampling)]
