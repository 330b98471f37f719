"""What is done with a line, by operation: one trajectory, text or problem in, one `Line` out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from services.pipeline.assembly import RunSettings, ScorerKind, generating_there, over_services, run_config
from services.pipeline.conveyor import Settled, Workshop, settle
from services.pipeline.metrics import work_metrics
from services.pipeline.refinement.draft import Draft
from services.pipeline.refinement.selection import failed
from services.pipeline.refinement.settings import SearchSettings
from services.pipeline.scoring import Scorable, Speaker, score_line, score_pairs, to_scorable
from services.pipeline.work.engines import Engines
from services.pipeline.work.lines import BAD, Line
from services.pipeline.work.timed import TimedRefiner
from shared.clients.student import ProfileScorer
from shared.domain import EvaluationSettings, Refinement, ScorerInfo, StudentProfile, TokenScores, Trajectory
from shared.errors import FieldError, UnavailableError
from shared.evaluation.asking import ask
from shared.evaluation.lines import graded_line
from shared.evaluation.problemsets import to_problem
from shared.identity import Setting
from shared.jobs.config import JobConfig
from shared.jobs.order import Operation
from shared.jsonl import BadLine, JsonObject, RawLine, dump_line, parse_line
from shared.ports import GenerationRequest, ScoreRequest
from shared.shapes import Reading, parser, to_trajectory


class LineWork(Protocol):
    """One operation, ready to be done by many threads at once."""

    def identity(self) -> dict[str, Setting]:
        """Engines and digests that determine the results, by dotted name."""
        ...

    def work(self, raw: RawLine) -> Line:
        """What becomes of a line. UnavailableError, MismatchError, ... where that is not the line's fault."""
        ...

    def condemn(self, raw: RawLine, reason: str) -> Line:
        """The same for a line that nobody can work, without any part of it being asked."""
        ...


class MakeWork(Protocol):
    """Puts an operation together over the services; `line_work` is the one there is."""

    def __call__(
        self, operation: Operation, config: JobConfig, engines: Engines, profile: StudentProfile | None
    ) -> LineWork: ...


def line_work(
    operation: Operation, config: JobConfig, engines: Engines, profile: StudentProfile | None
) -> LineWork:
    """The operation over the services."""
    if operation is Operation.REFINE:
        return _refining(config, engines, profile)
    if operation is Operation.VERIFY:
        return Verifying(engines, _reading(config))
    if operation is Operation.SCORE:
        return Scoring(_speaker(engines, profile), _reading(config), config.tokens)
    if operation is Operation.EVALUATE:
        return Evaluating(engines, config)
    return RollingOut(engines, config)


def needs_profile(operation: Operation, config: JobConfig) -> bool:
    """Whether lines are judged by a student's profile."""
    if operation is Operation.REFINE:
        return config.scorer != "none"
    return operation is Operation.SCORE and config.scorer == "proxy"


def strategy_of(operation: Operation, scorer: str) -> str:
    """The arm that an operation makes, for metrics; its own name where it makes no trajectories."""
    if operation is Operation.REFINE:
        return "oracle_refined" if scorer == "none" else "style_aligned"
    return "native" if operation is Operation.ROLL_OUT else operation.value


def run_settings(config: JobConfig, engines: Engines, profile: StudentProfile | None) -> RunSettings:
    """The settings of the run in process that would write the same records."""
    engine, model = generating_there(engines.student) if config.generate else ("transformers", None)
    kind: ScorerKind = "none"
    if profile is not None:
        kind = "proxy" if profile.scorer.label == "proxy" else "served"
    return RunSettings(
        student=profile.name if profile else config.student,
        scorer=kind,
        alpha=profile.alpha if profile else config.alpha,
        generate=config.generate,
        student_engine=engine,
        student_model=model,
        search=SearchSettings(weight=config.weight, gate=config.gate, seed=config.seed),
    )


def samples(lines: Iterable[RawLine], config: JobConfig) -> Iterator[tuple[str, str]]:
    """(problem, the student's own text) of every good line."""
    reading = _reading(config)
    for raw in lines:
        item = parse_line(raw, lambda found, line: to_scorable(found, line, reading))
        if isinstance(item, Scorable):
            yield item.problem, item.native


def _reading(config: JobConfig) -> Reading:
    return Reading(resegment=config.segment, author=config.author)


def _refining(config: JobConfig, engines: Engines, profile: StudentProfile | None) -> Refining:
    settings = run_settings(config, engines, profile)
    assembly = over_services(settings, engines.student, engines.oracle, profile)
    provenance = assembly.provenance(run_config(settings, _reading(config)), config.seed)
    refiner = TimedRefiner.around(assembly.refiner, work_metrics())
    return Refining(Workshop(refiner, provenance, parser(_reading(config))), assembly.identity())


@dataclass(frozen=True, slots=True)
class Refining:
    """Records, byte for byte those of ``idiolect refine``."""

    workshop: Workshop
    parts: dict[str, Setting]

    def identity(self) -> dict[str, Setting]:
        """See LineWork."""
        return self.parts

    def work(self, raw: RawLine) -> Line:
        """See LineWork."""
        return _line(next(settle(iter([raw]), self.workshop)))

    def condemn(self, raw: RawLine, reason: str) -> Line:
        """See LineWork."""
        return _line(next(settle(iter([raw]), replace(self.workshop, refiner=_Condemning(reason)))))


@dataclass(frozen=True, slots=True)
class _Condemning:
    reason: str

    def refine_many(self, trajectories: Iterable[Trajectory]) -> Iterator[Refinement]:
        for trajectory in trajectories:
            yield failed(Draft.broken(trajectory, UnavailableError(self.reason)))


def _line(settled: Settled) -> Line:
    outcome = BAD if settled.outcome is None else settled.outcome.value
    return Line(settled.line, outcome, settled.record.rstrip(b"\n"), settled.error.rstrip(b"\n"))


def _told(number: int, outcome: str, value: JsonObject) -> Line:
    return Line(number, outcome, dump_line(value).rstrip(b"\n"), b"")


def _refused(bad: BadLine, outcome: str = BAD) -> Line:
    return _error(bad.line, outcome, None, bad.field, bad.reason)


def _error(number: int, outcome: str, name: str | None, field_: str | None, reason: str) -> Line:
    told = {"line": number, "id": name, "field": field_, "reason": reason}
    return Line(number, outcome, b"", dump_line(told).rstrip(b"\n"))


@dataclass(frozen=True, slots=True)
class Verifying:
    """Verdicts, as ``idiolect verify`` writes them."""

    engines: Engines
    reading: Reading

    def identity(self) -> dict[str, Setting]:
        """See LineWork."""
        return {"oracle.digest": self.engines.oracle.info.model.digest}

    def work(self, raw: RawLine) -> Line:
        """See LineWork."""
        item = parse_line(raw, parser(self.reading))
        if isinstance(item, BadLine):
            return _refused(item)
        verdict = self.engines.oracle.verify(item.text, item.problem.gold)
        value = str(verdict.value)
        told = {"id": item.id, "line": item.line, "value": value}
        return _told(item.line, value, {**told, "reason": verdict.reason, "answer": verdict.answer})

    def condemn(self, raw: RawLine, reason: str) -> Line:
        """See LineWork."""
        return _error(raw.number, "failed", None, None, reason)


def _speaker(engines: Engines, profile: StudentProfile | None) -> Speaker:
    if profile is None:
        return Speaker(_ServedScorer(engines))
    return Speaker(ProfileScorer(engines.student, profile), profile.id, profile.band)


@dataclass(frozen=True, slots=True)
class _ServedScorer:
    """The model that the student serves, without a profile."""

    engines: Engines

    @property
    def info(self) -> ScorerInfo:
        """Name, label and digest of the model."""
        model = self.engines.student.info
        return ScorerInfo(f"{model.engine}:{model.name}", "surrogate", model.digest)

    def score(self, requests: Sequence[ScoreRequest]) -> list[TokenScores]:
        """One result a request, in order."""
        return self.engines.student.score(requests)


@dataclass(frozen=True, slots=True)
class Scoring:
    """Score lines, as ``idiolect score`` writes them."""

    speaker: Speaker
    reading: Reading
    tokens: bool

    def identity(self) -> dict[str, Setting]:
        """See LineWork."""
        return {"profile": self.speaker.student, "scorer.digest": self.speaker.engine.info.digest}

    def work(self, raw: RawLine) -> Line:
        """See LineWork."""
        item = parse_line(raw, lambda found, line: to_scorable(found, line, self.reading))
        if isinstance(item, BadLine):
            return _refused(item)
        try:
            native, scores = score_pairs(self.speaker.engine, [item])[0]
        except FieldError as error:
            return _error(item.line, BAD, item.id, error.field, str(error))
        return _told(item.line, "scored", score_line(self.speaker, item, native, scores, tokens=self.tokens))

    def condemn(self, raw: RawLine, reason: str) -> Line:
        """See LineWork."""
        return _error(raw.number, "failed", None, None, reason)


@dataclass(frozen=True, slots=True)
class _Problem:
    id: str
    text: str
    gold: str | None


@dataclass(frozen=True, slots=True)
class RollingOut:
    """The student's own samples for each problem, with the verdict on each: the native arm.

    A sample's seed follows from the job's and the line, so that equal problems on two lines differ.
    """

    engines: Engines
    config: JobConfig
    outcome: str = field(default="sampled", init=False)

    def identity(self) -> dict[str, Setting]:
        """See LineWork."""
        student, oracle = self.engines.student.info, self.engines.oracle.info
        return {"student.digest": student.digest, "oracle.digest": oracle.model.digest}

    def work(self, raw: RawLine) -> Line:
        """See LineWork."""
        item = parse_line(raw, _problem)
        if isinstance(item, BadLine):
            return _refused(item)
        drawn = self.engines.student.generate(self._request(item, raw.number))
        told = []
        for sample in drawn:
            verdict = self.engines.oracle.verify(sample.text, item.gold)
            told.append(
                {
                    "text": sample.text,
                    "tokens": sample.tokens,
                    "finished": sample.finished,
                    "value": str(verdict.value),
                    "reason": verdict.reason,
                    "answer": verdict.answer,
                }
            )
        line = {"id": item.id, "line": raw.number, "problem": item.text, "gold": item.gold, "samples": told}
        return _told(raw.number, self.outcome, line)

    def condemn(self, raw: RawLine, reason: str) -> Line:
        """See LineWork."""
        return _error(raw.number, "failed", None, None, reason)

    def _request(self, item: _Problem, line: int) -> GenerationRequest:
        return GenerationRequest(
            problem=item.text,
            n=self.config.samples,
            temperature=self.config.temperature,
            top_p=self.config.top_p,
            instruction=self.config.instruction,
            system=self.config.system,
            max_tokens=self.config.max_tokens,
            seed=(self.config.seed + line * 1_000_003) % (1 << 62),
        )


@dataclass(frozen=True, slots=True)
class Evaluating:
    """The student's samples of each problem of a set, graded, as ``idiolect evaluate`` writes them.

    A sample's seed follows from the job's and the problem's id.
    """

    engines: Engines
    config: JobConfig
    outcome: str = field(default="graded", init=False)

    def identity(self) -> dict[str, Setting]:
        """See LineWork."""
        student, oracle = self.engines.student.info, self.engines.oracle.info
        return {"student.digest": student.digest, "oracle.digest": oracle.model.digest}

    def work(self, raw: RawLine) -> Line:
        """See LineWork."""
        item = parse_line(raw, to_problem)
        if isinstance(item, BadLine):
            return _refused(item)
        try:
            graded = ask(self.engines.student, self.engines.oracle, item, self._settings())
        except FieldError as error:
            return _error(raw.number, BAD, item.id, error.field, str(error))
        return _told(raw.number, self.outcome, {"line": raw.number, **graded_line(graded)})

    def condemn(self, raw: RawLine, reason: str) -> Line:
        """See LineWork."""
        return _error(raw.number, "failed", None, None, reason)

    def _settings(self) -> EvaluationSettings:
        config = self.config
        return EvaluationSettings(
            samples=config.samples,
            temperature=config.temperature,
            top_p=config.top_p,
            max_tokens=config.max_tokens,
            seed=config.seed,
            instruction=config.instruction,
            system=config.system,
        )


def _problem(item: JsonObject, line: int) -> _Problem:
    """A problem in any accepted shape; a solution that stands beside it is left out."""
    bare = {name: value for name, value in item.items() if name not in _SOLUTIONS}
    found = to_trajectory({**bare, "solution": "-"}, line)
    return _Problem(found.id, found.problem.text, found.problem.gold)


_SOLUTIONS = ("solution", "text", "steps", "completions", "completion", "authors", "joiner")
