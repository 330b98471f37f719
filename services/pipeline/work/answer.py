"""Answers a request whose sender waits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from services.pipeline.metrics import WorkMetrics
from services.pipeline.work.engines import Engines
from services.pipeline.work.lines import Line, given_lines
from services.pipeline.work.operations import line_work, needs_profile, strategy_of
from services.pipeline.work.patience import Patience
from shared.domain import StudentProfile
from shared.errors import FieldError, IdiolectError
from shared.jobs.config import JobConfig
from shared.jobs.interactive import Answer, Asked
from shared.jobs.stall import cause_of
from shared.jsonl import RawLine
from shared.metering import metered
from shared.tracing import in_this_trace

_PATIENCE_SECONDS = 10.0


def answered(asked: Asked, engines: Engines, at_once: int, metrics: WorkMetrics) -> Answer:
    """What becomes of the lines; the error that ended the work, where one did."""
    try:
        return _worked(asked, engines, at_once, metrics)
    except IdiolectError as error:
        return Answer(problem=str(error), kind=type(error).__name__)


def _worked(asked: Asked, engines: Engines, at_once: int, metrics: WorkMetrics) -> Answer:
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
