"""Answers a request whose sender waits."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from services.pipeline.work.engines import Engines
from services.pipeline.work.lines import given_lines
from services.pipeline.work.operations import line_work, needs_profile
from services.pipeline.work.patience import Patience
from shared.domain import StudentProfile
from shared.errors import FieldError, IdiolectError
from shared.jobs.config import JobConfig
from shared.jobs.interactive import Answer, Asked

_PATIENCE_SECONDS = 10.0


def answered(asked: Asked, engines: Engines, at_once: int) -> Answer:
    """What becomes of the lines; the error that ended the work, where one did."""
    try:
        return _worked(asked, engines, at_once)
    except IdiolectError as error:
        return Answer(problem=str(error), kind=type(error).__name__)


def _worked(asked: Asked, engines: Engines, at_once: int) -> Answer:
    config = JobConfig.of(asked.config)
    work = line_work(asked.operation, config, engines, _profile(asked, config, engines))
    patience, stop = Patience(_PATIENCE_SECONDS), threading.Event()
    with ThreadPoolExecutor(at_once, thread_name_prefix="line") as pool:
        lines = pool.map(lambda raw: patience.through(lambda: work.work(raw), stop), given_lines(asked.lines))
        return Answer([(line.number, line.outcome, line.record, line.error) for line in lines])


def _profile(asked: Asked, config: JobConfig, engines: Engines) -> StudentProfile | None:
    if not needs_profile(asked.operation, config):
        return None
    if config.profile is None:
        cure = "name one, send scorer none, or send the texts as a job of at least 200 lines"
        raise FieldError("profile", "is missing, and a few lines show too little of a student", cure)
    return engines.student.profile(config.profile)
