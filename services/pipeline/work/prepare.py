"""Binds a job to a profile and to engines before its first shard; nowhere else is a profile fitted."""

from __future__ import annotations

from services.pipeline.work.engines import Engines
from services.pipeline.work.lines import job_lines
from services.pipeline.work.operations import LineWork, MakeWork, needs_profile, samples
from shared.domain import StudentProfile
from shared.errors import IntegrityError
from shared.identity import check_drift
from shared.jobs.config import JobConfig
from shared.jobs.desk import JobDesk
from shared.jobs.order import JobOrder, Prepared


def prepare(desk: JobDesk, order: JobOrder, engines: Engines, make: MakeWork) -> None:
    """Bind the job, once. InputError where no profile can be had for it."""
    config = JobConfig.of(order.config)
    profile = None
    if needs_profile(order.operation, config):
        profile = _known(config, engines) or _fitted(desk, order, config, engines)
    work = make(order.operation, config, engines, profile)
    desk.prepare(order, Prepared(None if profile is None else profile.id, work.identity()))


def prepared_work(desk: JobDesk, order: JobOrder, engines: Engines, make: MakeWork) -> LineWork:
    """The operation as the job is bound to it. DriftError where other engines are found now."""
    prepared = desk.prepared(order)
    if prepared is None:
        raise IntegrityError(f"job {order.key.job} is not prepared")
    config = JobConfig.of(order.config)
    profile = None if prepared.profile is None else engines.student.profile(prepared.profile)
    work = make(order.operation, config, engines, profile)
    check_drift(prepared.identity, work.identity())
    return work


def _known(config: JobConfig, engines: Engines) -> StudentProfile | None:
    return None if config.profile is None else engines.student.profile(config.profile)


def _fitted(desk: JobDesk, order: JobOrder, config: JobConfig, engines: Engines) -> StudentProfile:
    """The first reading of the input: the student as its own texts show it."""
    texts = samples(job_lines(desk.store, order), config)
    served = config.scorer == "served"
    return engines.student.build_profile(config.student, texts, alpha=config.alpha, served=served)
