"""What ``idiolect refine`` does: build the parts, run the file or the pipe, say how it ended."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from services.embedded.composition import assemble, fit, load
from services.embedded.pipes import opened_output, opened_source, refine_stream
from services.embedded.progress import watch_for
from services.embedded.remembering import RememberingScorer
from services.embedded.runs import FileRun, limited
from services.embedded.runstate import Position
from services.embedded.students import (
    KnownStudent,
    fitted_here,
    fitted_there,
    load_there,
    remembered_there,
)
from services.pipeline.assembly import (
    Assembly,
    RunSettings,
    ScorerKind,
    Services,
    generating_there,
    run_config,
)
from services.pipeline.conveyor import Workshop
from services.pipeline.locating import ROLLOUT, Weights, check_there
from services.pipeline.refinement.rollout import Rollouts
from services.pipeline.refinement.settings import SearchSettings
from shared.clients.oracle import OracleClient
from shared.clients.student import StudentClient
from shared.domain import Trajectory
from shared.errors import FieldError, InputError
from shared.identity import Setting
from shared.jsonl import parse_line, raw_lines
from shared.rpc.channel import Target
from shared.shapes import Reading, parser


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller asked for; `source` None is stdin, `output` None is stdout.

    Other attributes are those of the command's options; `scorer` None takes the profile's, else proxy.
    `student` and `oracle` are services that take the place of the parts in process.
    """

    source: Path | None
    output: Path | None
    scorer: str | None = None
    model: str | None = None
    profile: str | None = None
    name: str = "student"
    student: Target | None = None
    oracle: Target | None = None
    reading: Reading = field(default_factory=Reading)
    weight: float = 1.0
    alpha: float = 0.05
    gate: str = "enforce"
    seed: int = 0
    tokens: bool = False
    limit: int | None = None
    generate: bool = False
    student_engine: str | None = None
    student_model: str | None = None
    locators: Weights = ()
    rollouts: int | None = None
    workers: int = 1
    fresh: bool = False


def refine(order: Order) -> Position:
    """Runs the order; returns how far it came, which is the end of the input."""
    _check(order)
    with _connected(order) as services:
        given = _given(order, services)
        settings = _settings(order, given, services)
        work = Work(order, settings, services)
        if order.source is not None and order.output is not None:
            return _refine_file(work, given, order.source, order.output)
        return _refine_pipe(work, given)


@dataclass(frozen=True, slots=True)
class Work:
    """One run: what was ordered, the settings that follow, and the services that take part."""

    order: Order
    settings: RunSettings
    services: Services


@contextmanager
def _connected(order: Order) -> Iterator[Services]:
    """The services of the order; connections end with the context."""
    with ExitStack() as stack:
        student = stack.enter_context(StudentClient(order.student)) if order.student else None
        oracle = stack.enter_context(OracleClient(order.oracle)) if order.oracle else None
        yield Services(student, oracle)


def _given(order: Order, services: Services) -> KnownStudent | None:
    """The student of ``--profile``: a folder, or a name that the student service knows."""
    if order.profile is None:
        return None
    if services.student is not None:
        return load_there(services.student, order.profile)
    return fitted_here(load(Path(order.profile)))


def _check(order: Order) -> None:
    if order.tokens and (order.source is None or order.output is None):
        raise FieldError("--tokens", "needs a file as input and output", "name two files instead of -")
    if order.tokens and order.scorer == "none":
        raise FieldError("--tokens", "needs a scorer", "choose --scorer proxy or transformers")
    for option, value in (
        ("--student-model", order.student_model),
        ("--student-engine", order.student_engine),
    ):
        if value is not None and not order.generate:
            raise FieldError(option, "is used with --generate only", "add --generate")
        if value is not None and order.student is not None:
            raise FieldError(option, "is the service's to choose", "leave it out beside --student")
    if order.rollouts is not None and not _rolls_out(order):
        raise FieldError("--rollouts", f"is used with --locator {ROLLOUT} only", f"add --locator {ROLLOUT}=1")
    for target in (order.student, order.oracle):
        if target is not None:
            target.check()
    if order.source is not None and not order.source.is_file():
        raise FieldError(str(order.source), "is no file", "name a file of JSON lines, or -")


def _rolls_out(order: Order) -> bool:
    return ROLLOUT in dict(order.locators)


def _settings(order: Order, given: KnownStudent | None, services: Services) -> RunSettings:
    """The settings of the run; a given profile brings its own scorer, name and alpha."""
    check_there(order.locators, order.generate, services)
    engine, model = _generating(order, services)
    if given is not None and order.scorer not in (None, given.kind):
        raise FieldError("--scorer", f"the profile was fitted with {given.kind}", "leave --scorer out")
    return RunSettings(
        student=given.profile.name if given else order.name,
        scorer=scorer_kind(given.kind if given else order.scorer or "proxy"),
        model=given.model if given else order.model,
        alpha=given.profile.alpha if given else order.alpha,
        generate=order.generate,
        student_engine=engine,
        student_model=model,
        locators=order.locators,
        rollouts=Rollouts(n=order.rollouts or Rollouts().n, seed=order.seed),
        search=SearchSettings(weight=order.weight, gate=order.gate, seed=order.seed),
        workers=order.workers,
    )


def _generating(order: Order, services: Services) -> tuple[str, str | None]:
    """Engine and model that generate; the scripted engine needs no model's name."""
    if services.student is None or not (order.generate or _rolls_out(order)):
        return order.student_engine or "transformers", order.student_model
    return generating_there(services.student)


def scorer_kind(name: str) -> ScorerKind:
    """The scorer of that name; FieldError where there is none."""
    kinds: dict[str, ScorerKind] = {
        "proxy": "proxy",
        "transformers": "transformers",
        "served": "served",
        "none": "none",
    }
    if name not in kinds:
        raise FieldError("--scorer", f"{name!r} is unknown", "use proxy, transformers, served or none")
    return kinds[name]


def _refine_file(work: Work, given: KnownStudent | None, source: Path, output: Path) -> Position:
    order = work.order
    config = run_config(work.settings, order.reading, tokens=order.tokens)
    with FileRun(source, output, config, limit=order.limit, fresh=order.fresh) as run:
        if run.complete and (given is None or given.profile.id == run.pinned.get("profile")):
            print(f"{output} is complete already", file=sys.stderr)
            return run.position
        with ExitStack() as stack:
            student = given or _student_of(run, work, stack)
            assembly = stack.enter_context(assemble(work.settings, _remembering(student), work.services))
            run.pin(assembly.identity())
            watch = watch_for(source.stat().st_size)
            stack.enter_context(watch)
            return run.refine(_workshop(order, config, assembly), watch)


def _refine_pipe(work: Work, given: KnownStudent | None) -> Position:
    order = work.order
    fitting = given is None and work.settings.scorer != "none"
    with ExitStack() as stack:
        stream = stack.enter_context(opened_source(order.source, twice=fitting))
        output, errors = stack.enter_context(opened_output(order.output, fresh=order.fresh))
        student = given or _fit(stream, work)
        assembly = stack.enter_context(assemble(work.settings, student, work.services))
        watch = watch_for(None)
        stack.enter_context(watch)
        workshop = _workshop(order, run_config(work.settings, order.reading, tokens=order.tokens), assembly)
        return refine_stream(stream, output, errors, workshop, watch, order.limit)


def _student_of(run: FileRun, work: Work, stack: ExitStack) -> KnownStudent | None:
    """The student as its own texts show it, fitted once and kept beside the output."""
    folder = run.files.profile
    known = _kept(folder, work.services) if folder.exists() else None
    if known is not None:
        return known
    student = _fit(stack.enter_context(run.source.open("rb")), work)
    if student is not None:
        beside = folder.with_name(folder.name + ".tmp")
        shutil.rmtree(beside, ignore_errors=True)
        student.save(beside)
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
    return student


def _kept(folder: Path, services: Services) -> KnownStudent | None:
    """The student that was kept beside the output; None where the service has lost it."""
    if services.student is not None:
        return remembered_there(services.student, folder)
    return fitted_here(load(folder))


def _fit(stream: BinaryIO, work: Work) -> KnownStudent | None:
    """Reads `stream` to its end and puts it back to its begin."""
    settings, client = work.settings, work.services.student
    if settings.scorer == "none":
        return None
    print(f"fitting a profile of {settings.student!r} on its own texts", file=sys.stderr)
    try:
        if client is not None:
            samples = _samples(stream, work.order)
            name, kind = settings.student, settings.scorer
            return fitted_there(client, name, samples, kind=kind, alpha=settings.alpha)
        fitted = fit(settings, lambda: _samples(stream, work.order))
        return None if fitted is None else fitted_here(fitted)
    except FieldError:
        raise
    except InputError as error:
        raise InputError(f"{error}; or name a --profile, or choose --scorer none") from None
    finally:
        stream.seek(0)


def _samples(stream: BinaryIO, order: Order) -> Iterator[tuple[str, str]]:
    parse = parser(order.reading)
    for raw in limited(raw_lines(stream), order.limit):
        item = parse_line(raw, parse)
        if isinstance(item, Trajectory):
            yield item.problem.text, item.text


def _remembering(student: KnownStudent | None) -> KnownStudent | None:
    return None if student is None else replace(student, scorer=RememberingScorer(student.scorer))


def _workshop(order: Order, config: Mapping[str, Setting], assembly: Assembly) -> Workshop:
    provenance = assembly.provenance(dict(config), order.seed)
    scorer = assembly.student.scorer if assembly.student else None
    tokens = scorer if order.tokens and isinstance(scorer, RememberingScorer) else None
    return Workshop(assembly.refiner, provenance, parser(order.reading), tokens)
