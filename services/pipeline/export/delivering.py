"""Writes what came of a job to the caller's own place."""

from __future__ import annotations

from shared.errors import FieldError
from shared.jobs.desk import JobDesk
from shared.jobs.order import JobOrder
from shared.jobs.places import Place


def deliver(desk: JobDesk, order: JobOrder) -> None:
    """Write ``JOB/results.jsonl``, then ``JOB/errors.jsonl``, below the place that the order names.

    Each is put if absent: what is there under the job's id is from an earlier try and has the same bytes.
    UnavailableError where the place can't be written to.
    """
    if order.output is None:
        raise FieldError("output", "is missing", "this job names no place")
    place = Place.of_folder("output", order.output)
    store, folder = place.store(), f"{place.name}{order.key.job}"
    store.put_if_absent(f"{folder}/results.jsonl", (line for _, line in desk.results(order)))
    store.put_if_absent(f"{folder}/errors.jsonl", (line for _, line in desk.errors(order)))
