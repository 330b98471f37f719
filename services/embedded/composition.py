"""The one place where implementations are chosen and put together, in process.

Heavy parts (verifier workers, models) are imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from services.embedded.locating import ROLLOUT, Weights, check_there, locator_here, locator_there, told
from services.pipeline.refinement.rollout import RolloutLocator, Rollouts
from services.pipeline.refinement.search import Refiner
from services.pipeline.refinement.selection import Student
from services.pipeline.refinement.settings import ALGORITHM, SearchSettings
from services.pipeline.refinement.student_rewriters import Sampling, StudentContinue, StudentGuided
from shared.domain import ModelInfo, StudentProfile
from shared.errors import FieldError
from shared.ports import Generator, Locator, Rewriter, Scorer, StyleGate, Verifier
from shared.weighing import check_weights

if TYPE_CHECKING:
    from services.student.profile import FittedStudent
    from shared.clients.oracle import OracleClient
    from shared.clients.student import StudentClient

ScorerKind = Literal["proxy", "transformers", "served", "none"]
Samples = Callable[[], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything a refinement run is told; what determines its results enters the config digest.

    Attributes:
        student: name of the student, used where a profile is fitted.
        scorer: who scores style; ``none`` leaves style and utility out.
        model: folder, GGUF file or hub name for the scorer; None takes the default.
        alpha: share of native spans that the style gate may flag.
        generate: let the student go on by itself (rewriters `student_continue`, `student_guided`).
        student_engine: engine that generates, ``transformers`` or ``scripted`` in process.
        student_model: model that generates; None takes the default.
        locators: names and weights of those that are asked; empty: ``combined``, or the oracle service's own.
        rollouts: how the locator `rollout` lets the student go on; of no meaning without it.
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
    locators: Weights = ()
    rollouts: Rollouts = field(default_factory=Rollouts)
    search: SearchSettings = field(default_factory=SearchSettings)
    workers: int = 1

    def __post_init__(self) -> None:
        if self.scorer not in ("proxy", "transformers", "served", "none"):
            raise FieldError("scorer", f"{self.scorer!r} is unknown", "use proxy, transformers or none")
        if not 0 < self.alpha < 1:
            raise FieldError("alpha", f"{self.alpha} is no share", "give a number between 0 and 1")
        if self.locators:
            check_weights([name for name, _ in self.locators], dict(self.locators))

    @property
    def rolls_out(self) -> bool:
        """Whether the student is asked where it went wrong."""
        return ROLLOUT in dict(self.locators)

    def config(self) -> dict[str, Any]:
        """What determines the results, JSON-ready; locators and rollouts only where they are chosen."""
        settings = asdict(self)
        for name in ("workers", "locators", *(() if self.rolls_out else ("rollouts",))):
            del settings[name]
        chosen = {"locators": told(self.locators)} if self.locators else {}
        return {**settings, **chosen, "algorithm": ALGORITHM}


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
    check_there(settings.locators, settings.generate, services)
    speaker = Student(student.profile, student.scorer, student.gate) if student else None
    goes_on = settings.generate or settings.rolls_out
    generator = _generator(settings, services.student) if goes_on else None
    with ExitStack() as stack:
        judges = _judges(settings, services.oracle, generator, stack)
        student_rewriters = student_tier(generator, Sampling()) if generator and settings.generate else []
        tiers = _tiers(judges, student_rewriters)
        refiner = Refiner(judges.verifier, judges.locator, tiers, speaker, settings.search)
        names = ", ".join(dict.fromkeys(rewriter.name for tier in tiers for rewriter in tier))
        engines = {"oracle": judges.name, "rewriters": names}
        if speaker:
            engines["scorer"] = speaker.scorer.info.name
        digests = dict(judges.digests)
        if generator:
            engines["student"], digests["student.digest"] = generator.info.name, generator.info.digest
        if settings.locators:
            engines["locators"] = told(settings.locators)
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


def _judges(
    settings: RunSettings, client: OracleClient | None, generator: Generator | None, stack: ExitStack
) -> _Judges:
    if client is not None:
        return _judges_there(settings, client, _rollout(settings, generator, client))
    from services.oracle.verifier.verifier import SandboxedVerifier

    verifier = stack.enter_context(SandboxedVerifier(settings.workers))
    return _judges_here(settings, verifier, _rollout(settings, generator, verifier))


def _rollout(settings: RunSettings, generator: Generator | None, verifier: Verifier) -> RolloutLocator | None:
    """The student as its own locator; None where it isn't asked."""
    if generator is None or not settings.rolls_out:
        return None
    return RolloutLocator(generator, verifier, settings.rollouts)


def _judges_here(settings: RunSettings, verifier: Verifier, rollout: RolloutLocator | None) -> _Judges:
    from services.oracle.rewriters.arithmetic import Arithmetic
    from services.oracle.rewriters.operation import Operation
    from services.oracle.rewriters.reference_graft import ReferenceGraft

    locator = locator_here(settings.locators, rollout)
    return _Judges("rules", verifier, locator, [Arithmetic(), Operation()], [], [ReferenceGraft()])


def _judges_there(settings: RunSettings, client: OracleClient, rollout: RolloutLocator | None) -> _Judges:
    from shared.clients.oracle import RemoteRewriter

    info = client.info
    plain = info.model.engine == "rules" and info.locators == {"combined": 1.0}
    by_name = {name: RemoteRewriter(client, name) for name in info.rewriters}
    first: list[Rewriter] = [by_name.pop(name) for name in ("arithmetic", "operation") if name in by_name]
    last: list[Rewriter] = [by_name.pop(name) for name in ("reference_graft",) if name in by_name]
    name = info.model.name if info.model.engine != "rules" else f"rules:{'+'.join(info.locators)}"
    digests = {"oracle.digest": info.model.digest}
    locator = locator_there(settings.locators, client, rollout)
    return _Judges("rules" if plain else name, client, locator, first, list(by_name.values()), last, digests)


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
