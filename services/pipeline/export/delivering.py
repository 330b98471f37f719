"""Writes what came of a job to the caller's own place."""

from __future__ import annotations

import logging

from shared.errors import FieldError, UnavailableError
from shared.jobs.desk import JobDesk
from shared.jobs.order import JobOrder
from shared.jobs.places import Place

_LOG = logging.getLogger(__name__)


def deliver(desk: JobDesk, order: JobOrder) -> None:
    """Write ``JOB/results.jsonl``, then ``JOB/errors.jsonl``, below the place that the order names.

    Each is put if absent: what is there under the job's id is from an earlier try and has the same bytes.
    UnavailableError where the place can't be written to.
    """
    if order.output is None:
        raise FieldError("output", "is missing", "this job names no place")
    place = Place.of_folder("output", f"{order.output}{order.key.job}/")
    store = place.store()
    store.put_if_absent(f"{place.name}results.jsonl", (line for _, line in desk.results(order)))
    store.put_if_absent(f"{place.name}errors.jsonl", (line for _, line in desk.errors(order)))
    _tidy(place)


def _tidy(place: Place) -> None:
    """Give up what earlier tries that were killed have sent in parts: nobody sees it, but it is paid for."""
    try:
        place.folder().collect_orphans(0.0)
    except UnavailableError as error:
        # A key may be allowed to write and not to list; what is wanted is there all the same.
        _LOG.warning("unfinished uploads below %s stay: %s", place, error)
