"""The parts of the search put together: from services over gRPC here, from parts in process by the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from services.pipeline.locating import ROLLOUT, Weights, check_there, locator_there, told
from services.pipeline.refinement.rollout import RolloutLocator, Rollouts
from services.pipeline.refinement.search import Refiner
from services.pipeline.refinement.selection import Student
from services.pipeline.refinement.settings import ALGORITHM, SearchSettings
from services.pipeline.refinement.student_rewriters import Sampling, StudentContinue, StudentGuided
from shared.clients.oracle import OracleClient, RemoteRewriter
from shared.clients.student import ProfileGate, ProfileScorer, StudentClient
from shared.domain import ModelInfo, StudentProfile
from shared.errors import FieldError
from shared.identity import Setting, digest_of, flat
from shared.ports import Generator, Locator, Rewriter, Scorer, StyleGate, Verifier
from shared.record import Provenance
from shared.shapes import Reading
from shared.version import VERSION
from shared.weighing import check_weights

ScorerKind = Literal["proxy", "transformers", "served", "none"]


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


@dataclass(frozen=True, slots=True)
class Services:
    """Services that take the place of parts in process; None: that part runs there."""

    student: StudentClient | None = None
    oracle: OracleClient | None = None


class Speaker(Protocol):
    """Profile, scorer and gate of one student, wherever they run."""

    @property
    def profile(self) -> StudentProfile: ...

    @property
    def scorer(self) -> Scorer: ...

    @property
    def gate(self) -> StyleGate: ...


class NamedGenerator(Generator, Protocol):
    """A generator that says which model it is."""

    @property
    def info(self) -> ModelInfo: ...


@dataclass(frozen=True, slots=True)
class Judges:
    """The oracle's parts of the search: verifier, locator, and rewriters by tier, the last one apart."""

    name: str
    verifier: Verifier
    locator: Locator
    first: list[Rewriter]
    thinking: list[Rewriter]
    last: list[Rewriter]
    digests: dict[str, str] = field(default_factory=dict)


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

    def identity(self) -> dict[str, Setting]:
        """What is known only now and determines the records, by dotted name."""
        parts: dict[str, Setting] = {f"engines.{role}": name for role, name in self.engines.items()}
        parts |= self.digests
        if self.student is None:
            return parts
        profile = self.student.profile
        return {**parts, "profile": profile.id, "scorer.digest": profile.scorer.digest}

    def provenance(self, config: dict[str, Setting], seed: int) -> Provenance:
        """What the records say about their making."""
        profile = self.profile.id if self.profile else None
        return Provenance(digest_of(config), self.engines, profile, seed, VERSION)


def put_together(
    settings: RunSettings, judges: Judges, student: Speaker | None, generator: NamedGenerator | None
) -> Assembly:
    """The search over these parts; who is None takes no part in it."""
    speaker = Student(student.profile, student.scorer, student.gate) if student else None
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
    return Assembly(refiner, speaker, engines, digests)


def over_services(
    settings: RunSettings, student: StudentClient, oracle: OracleClient, profile: StudentProfile | None
) -> Assembly:
    """The search with everything beyond it in two services."""
    speaker = None
    if profile is not None:
        speaker = Student(profile, ProfileScorer(student, profile), ProfileGate(student))
    check_there(settings.locators, settings.generate, Services(student, oracle))
    generator = student if settings.generate or settings.rolls_out else None
    judges = judges_there(settings, oracle, student_as_locator(settings, generator, oracle))
    return put_together(settings, judges, speaker, generator)


def student_as_locator(
    settings: RunSettings, generator: Generator | None, verifier: Verifier
) -> RolloutLocator | None:
    """The student as its own locator; None where it isn't asked."""
    if generator is None or not settings.rolls_out:
        return None
    return RolloutLocator(generator, verifier, settings.rollouts)


def judges_there(settings: RunSettings, client: OracleClient, rollout: RolloutLocator | None) -> Judges:
    """The oracle's parts in its service."""
    info = client.info
    plain = info.model.engine == "rules" and info.locators == {"combined": 1.0}
    by_name = {name: RemoteRewriter(client, name) for name in info.rewriters}
    first: list[Rewriter] = [by_name.pop(name) for name in ("arithmetic", "operation") if name in by_name]
    last: list[Rewriter] = [by_name.pop(name) for name in ("reference_graft",) if name in by_name]
    name = info.model.name if info.model.engine != "rules" else f"rules:{'+'.join(info.locators)}"
    digests = {"oracle.digest": info.model.digest}
    locator = locator_there(settings.locators, client, rollout)
    return Judges("rules" if plain else name, client, locator, first, list(by_name.values()), last, digests)


def generating_there(client: StudentClient) -> tuple[str, str | None]:
    """Engine and model that generate in the service; the scripted engine needs no model's name."""
    info = client.info
    return info.engine, None if info.engine == "scripted" else info.model


def student_tier(generator: Generator, sampling: Sampling) -> list[Rewriter]:
    """The rewriters in which the student itself goes on, on one generator."""
    return [StudentContinue(generator, sampling), StudentGuided(generator, sampling)]


def run_config(settings: RunSettings, reading: Reading, *, tokens: bool = False) -> dict[str, Setting]:
    """Everything that determines the records beside input, profile and engines, by dotted name."""
    read = {"segment": reading.resegment, "author": reading.author}
    return flat({**settings.config(), "reading": read, "tokens": tokens})


def _tiers(judges: Judges, student: Sequence[Rewriter]) -> list[Sequence[Rewriter]]:
    """Rewriters by tier, cheapest and most native first; nobody stands in an empty tier."""
    return [tier for tier in (judges.first, student, judges.thinking, judges.last) if tier]
