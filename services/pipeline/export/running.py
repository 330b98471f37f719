"""Runs an errand of a job that has ended, and says what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from services.pipeline.export.delivering import deliver
from services.pipeline.export.parquet import write_parquet
from shared.errors import IdiolectError, NotFoundError, UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.errands import Errand, fail, hinder, hindrance, settle
from shared.jobs.layout import JobKey
from shared.jobs.order import JobOrder
from shared.tracing import resumed

_LOG = logging.getLogger(__name__)
_HOW: Mapping[Errand, Callable[[JobDesk, JobOrder], None]] = {
    Errand.PARQUET: write_parquet,
    Errand.OUTPUT: deliver,
}


def run(desk: JobDesk, key: JobKey, errand: Errand) -> None:
    """Do it, unless it is done, the job is gone, or the job has not ended.

    UnavailableError where it can't be done now, which is said in the errand too.
    """
    if hindrance(desk.store, key, errand) is None:
        return
    try:
        order = desk.order(key)
    except NotFoundError:
        settle(desk.store, key, errand)
        return
    if desk.end(key) is not None:
        _run(desk, order, errand)


def _run(desk: JobDesk, order: JobOrder, errand: Errand) -> None:
    told = {"idiolect.job": order.key.job, "idiolect.part": errand.value}
    try:
        with resumed("errand", order.trace, told):
            _HOW[errand](desk, order)
    except UnavailableError as error:
        hinder(desk.store, order.key, errand, str(error))
        raise
    except IdiolectError as error:
        _LOG.error("errand %s of job %s fails: %s", errand, order.key.job, error)
        fail(desk.store, order.key, errand, str(error))
    else:
        settle(desk.store, order.key, errand)
    # Whoever deletes a job says so first, and may have passed by before something was written here.
    desk.clear(order.key)
