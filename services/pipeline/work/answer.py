"""Answers requests whose sender waits, over connections that last from one to the next."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from services.pipeline.metrics import WorkMetrics
from services.pipeline.work.engines import Engines, EngineTargets
from services.pipeline.work.lines import Line, given_lines
from services.pipeline.work.operations import line_work, needs_profile, strategy_of
from services.pipeline.work.patience import Patience
from shared.domain import StudentProfile
from shared.errors import FieldError, IdiolectError, MismatchError, UnavailableError
from shared.jobs.config import JobConfig
from shared.jobs.interactive import Answer, Asked
from shared.jobs.stall import cause_of
from shared.jsonl import RawLine
from shared.metering import metered
from shared.tracing import in_this_trace

_PATIENCE_SECONDS = 10.0


class Answers:
    """Answers one request after another; for one thread.

    The connections are kept, since opening them takes longer than most of the work. Where a service does not
    answer or serves another model than before, they are opened anew.
    """

    def __init__(self, targets: EngineTargets, at_once: int, metrics: WorkMetrics) -> None:
        """`at_once`: most lines of a request that are worked on together."""
        self._targets, self._at_once, self._metrics = targets, at_once, metrics
        self._engines: Engines | None = None

    def to(self, asked: Asked) -> Answer:
        """What becomes of the lines; the error that ended the work, where one did."""
        try:
            return self._renewed(asked) if self._engines is None else self._kept(asked, self._engines)
        except IdiolectError as error:
            return Answer(problem=str(error), kind=type(error).__name__)

    def close(self) -> None:
        """Close the connections; whoever asks next opens them anew."""
        if self._engines is not None:
            self._engines.cut()
        self._engines = None

    def _kept(self, asked: Asked, engines: Engines) -> Answer:
        try:
            return self._worked(asked, engines)
        except MismatchError:
            # The model was changed since these connections were told of it.
            self.close()
        return self._renewed(asked)

    def _renewed(self, asked: Asked) -> Answer:
        self._engines = Engines(self._targets)
        return self._worked(asked, self._engines)

    def _worked(self, asked: Asked, engines: Engines) -> Answer:
        try:
            return _done(asked, engines, self._at_once, self._metrics)
        except UnavailableError:
            self.close()
            raise


def _done(asked: Asked, engines: Engines, at_once: int, metrics: WorkMetrics) -> Answer:
    config = JobConfig.of(asked.config)
    work = line_work(asked.operation, config, engines, _profile(asked, config, engines))
    patience, stop = Patience(_PATIENCE_SECONDS), threading.Event()
    strategy = strategy_of(asked.operation, config.scorer)

    def one(raw: RawLine) -> Line:
        with metrics.in_flight(strategy), metered() as meter:
            try:
                line = patience.through(lambda: work.work(raw), stop, lambda e: metrics.retried(cause_of(e)))
            finally:
                metrics.spent(meter.usage)
        metrics.settled(strategy, line.outcome)
        return line

    with ThreadPoolExecutor(at_once, thread_name_prefix="line") as pool:
        lines = pool.map(in_this_trace(one), given_lines(asked.lines))
        return Answer([(line.number, line.outcome, line.record, line.error) for line in lines])


def _profile(asked: Asked, config: JobConfig, engines: Engines) -> StudentProfile | None:
    if not needs_profile(asked.operation, config):
        return None
    if config.profile is None:
        cure = "name one, send scorer none, or send the texts as a job of at least 200 lines"
        raise FieldError("profile", "is missing, and a few lines show too little of a student", cure)
    return engines.student.profile(config.profile)
