"""The one place where implementations are chosen and put together, in process.

Heavy parts (verifier workers, models) are imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from services.embedded.locating import locator_here
from services.pipeline.assembly import (
    Assembly,
    Judges,
    NamedGenerator,
    RunSettings,
    Services,
    Speaker,
    judges_there,
    put_together,
    student_as_locator,
)
from services.pipeline.locating import check_there
from services.pipeline.refinement.rollout import RolloutLocator
from shared.errors import FieldError
from shared.ports import Generator, Verifier

if TYPE_CHECKING:
    from services.student.profile import FittedStudent
    from shared.clients.oracle import OracleClient
    from shared.clients.student import StudentClient

Samples = Callable[[], Iterable[tuple[str, str]]]


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
    goes_on = settings.generate or settings.rolls_out
    generator = _generator(settings, services.student) if goes_on else None
    with ExitStack() as stack:
        yield put_together(settings, _judges(settings, services.oracle, generator, stack), student, generator)


def _judges(
    settings: RunSettings, client: OracleClient | None, generator: Generator | None, stack: ExitStack
) -> Judges:
    if client is not None:
        return judges_there(settings, client, student_as_locator(settings, generator, client))
    from services.oracle.verifier.verifier import SandboxedVerifier

    verifier = stack.enter_context(SandboxedVerifier(settings.workers))
    return _judges_here(settings, verifier, student_as_locator(settings, generator, verifier))


def _judges_here(settings: RunSettings, verifier: Verifier, rollout: RolloutLocator | None) -> Judges:
    from services.oracle.rewriters.arithmetic import Arithmetic
    from services.oracle.rewriters.operation import Operation
    from services.oracle.rewriters.reference_graft import ReferenceGraft

    locator = locator_here(settings.locators, rollout)
    return Judges("rules", verifier, locator, [Arithmetic(), Operation()], [], [ReferenceGraft()])


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
