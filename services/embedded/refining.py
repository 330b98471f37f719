"""What ``idiolect refine`` does: build the parts, run the file or the pipe, say how it ended."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from services.embedded.composition import Assembly, RunSettings, ScorerKind, assemble, fit, load
from services.embedded.conveyor import Workshop
from services.embedded.pipes import opened_output, opened_source, refine_stream
from services.embedded.progress import watch_for
from services.embedded.remembering import RememberingScorer
from services.embedded.runs import FileRun, limited
from services.embedded.runstate import Position, Setting, digest_of
from services.pipeline.refinement.settings import SearchSettings
from shared.domain import Trajectory
from shared.errors import FieldError, InputError
from shared.jsonl import parse_line, raw_lines
from shared.record import Provenance
from shared.shapes import Reading, parser
from shared.version import VERSION

if TYPE_CHECKING:
    from services.student.profile import FittedStudent


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller asked for; `source` None is stdin, `output` None is stdout.

    Other attributes are those of the command's options; `scorer` None takes the profile's, else proxy.
    """

    source: Path | None
    output: Path | None
    scorer: str | None = None
    model: str | None = None
    profile: Path | None = None
    student: str = "student"
    reading: Reading = field(default_factory=Reading)
    weight: float = 1.0
    alpha: float = 0.05
    gate: str = "enforce"
    seed: int = 0
    tokens: bool = False
    limit: int | None = None
    generate: bool = False
    student_model: str | None = None
    workers: int = 1
    fresh: bool = False


def refine(order: Order) -> Position:
    """Runs the order; returns how far it came, which is the end of the input."""
    _check(order)
    given = load(order.profile) if order.profile else None
    settings = _settings(order, given)
    if order.source is not None and order.output is not None:
        return _refine_file(order, settings, given, order.source, order.output)
    return _refine_pipe(order, settings, given)


def _check(order: Order) -> None:
    if order.tokens and (order.source is None or order.output is None):
        raise FieldError("--tokens", "needs a file as input and output", "name two files instead of -")
    if order.tokens and order.scorer == "none":
        raise FieldError("--tokens", "needs a scorer", "choose --scorer proxy or transformers")
    if order.student_model is not None and not order.generate:
        raise FieldError("--student-model", "is used with --generate only", "add --generate")
    if order.source is not None and not order.source.is_file():
        raise FieldError(str(order.source), "is no file", "name a file of JSON lines, or -")


def _settings(order: Order, given: FittedStudent | None) -> RunSettings:
    """The settings of the run; a given profile brings its own scorer, name and alpha."""
    if given is not None and order.scorer not in (None, given.kind):
        raise FieldError("--scorer", f"the profile was fitted with {given.kind}", "leave --scorer out")
    return RunSettings(
        student=given.profile.name if given else order.student,
        scorer=scorer_kind(given.kind if given else order.scorer or "proxy"),
        model=given.model if given else order.model,
        alpha=given.profile.alpha if given else order.alpha,
        generate=order.generate,
        student_model=order.student_model,
        search=SearchSettings(weight=order.weight, gate=order.gate, seed=order.seed),
        workers=order.workers,
    )


def scorer_kind(name: str) -> ScorerKind:
    """The scorer of that name; FieldError where there is none."""
    kinds: dict[str, ScorerKind] = {"proxy": "proxy", "transformers": "transformers", "none": "none"}
    if name not in kinds:
        raise FieldError("--scorer", f"{name!r} is unknown", "use proxy, transformers or none")
    return kinds[name]


def _refine_file(
    order: Order, settings: RunSettings, given: FittedStudent | None, source: Path, output: Path
) -> Position:
    config = _config(order, settings)
    with FileRun(source, output, config, limit=order.limit, fresh=order.fresh) as run:
        if run.complete and (given is None or given.profile.id == run.pinned.get("profile")):
            print(f"{output} is complete already", file=sys.stderr)
            return run.position
        with ExitStack() as stack:
            student = given or _student_of(run, order, settings, stack)
            remembering = _remembering(student)
            assembly = stack.enter_context(assemble(settings, remembering))
            run.pin(_parts(assembly))
            watch = watch_for(source.stat().st_size)
            stack.enter_context(watch)
            return run.refine(_workshop(order, config, assembly), watch)


def _refine_pipe(order: Order, settings: RunSettings, given: FittedStudent | None) -> Position:
    fitting = given is None and settings.scorer != "none"
    with ExitStack() as stack:
        stream = stack.enter_context(opened_source(order.source, twice=fitting))
        output, errors = stack.enter_context(opened_output(order.output, fresh=order.fresh))
        student = given or _fit(stream, order, settings)
        assembly = stack.enter_context(assemble(settings, student))
        watch = watch_for(None)
        stack.enter_context(watch)
        workshop = _workshop(order, _config(order, settings), assembly)
        return refine_stream(stream, output, errors, workshop, watch, order.limit)


def _student_of(run: FileRun, order: Order, settings: RunSettings, stack: ExitStack) -> FittedStudent | None:
    """The student as its own texts show it, fitted once and kept beside the output."""
    folder = run.files.profile
    if folder.exists():
        return load(folder)
    student = _fit(stack.enter_context(run.source.open("rb")), order, settings)
    if student is not None:
        beside = folder.with_name(folder.name + ".tmp")
        shutil.rmtree(beside, ignore_errors=True)
        student.save(beside)
        beside.replace(folder)
    return student


def _fit(stream: BinaryIO, order: Order, settings: RunSettings) -> FittedStudent | None:
    """Reads `stream` to its end and puts it back to its begin."""
    if settings.scorer == "none":
        return None
    print(f"fitting a profile of {settings.student!r} on its own texts", file=sys.stderr)
    try:
        return fit(settings, lambda: _samples(stream, order))
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


def _remembering(student: FittedStudent | None) -> FittedStudent | None:
    return None if student is None else replace(student, scorer=RememberingScorer(student.scorer))


def _workshop(order: Order, config: Mapping[str, Setting], assembly: Assembly) -> Workshop:
    provenance = Provenance(
        config=digest_of(dict(config)),
        engines=assembly.engines,
        profile=assembly.profile.id if assembly.profile else None,
        seed=order.seed,
        code=VERSION,
    )
    scorer = assembly.student.scorer if assembly.student else None
    tokens = scorer if order.tokens and isinstance(scorer, RememberingScorer) else None
    return Workshop(assembly.refiner, provenance, parser(order.reading), tokens)


def _config(order: Order, settings: RunSettings) -> dict[str, Setting]:
    """Everything that determines the records beside input, profile and engines, by dotted name."""
    reading = {"segment": order.reading.resegment, "author": order.reading.author}
    return _flat({**settings.config(), "reading": reading, "tokens": order.tokens})


def _flat(value: Mapping[str, object], prefix: str = "") -> dict[str, Setting]:
    flat: dict[str, Setting] = {}
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            flat |= _flat(inner, f"{prefix}{name}.")
        else:
            flat[prefix + name] = inner if isinstance(inner, str | int | float | None) else str(inner)
    return flat


def _parts(assembly: Assembly) -> dict[str, Setting]:
    engines: dict[str, Setting] = {f"engines.{role}": name for role, name in assembly.engines.items()}
    if assembly.student is None:
        return engines
    profile = assembly.student.profile
    return {**engines, "profile": profile.id, "scorer.digest": profile.scorer.digest}
