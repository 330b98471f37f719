"""Training rows of a job that has ended: refinements as `idiolect export` gives them, or the student's."""

from __future__ import annotations

from collections.abc import Iterator

from services.gateway.errors import HttpError
from shared.errors import FieldError
from shared.exporting import Choice, Export, Row, export_lines, native_rows, prompt_completion
from shared.jobs.desk import JobDesk
from shared.jobs.order import JobOrder, Operation
from shared.jsonl import RawLine, dump_line

FIELD = "input_job_id"
TRAINABLE = (Operation.REFINE, Operation.ROLL_OUT)


def rows_of(desk: JobDesk, order: JobOrder, most_cost: float | None = None) -> str:
    """The key of the job's rows in the store, made where nobody asked for them before.

    With `most_cost` of refinements only those that cost the student at most so much, as `idiolect export
    --most-cost`. HttpError 409 while the job goes on, where its kind makes no training data, and where no
    line is of use; FieldError for a cost of what has none.
    """
    if order.operation not in TRAINABLE:
        cure = f"name a job of {' or '.join(one.value for one in TRAINABLE)}"
        raise _refusal(
            order, f"is one of {order.operation.value}, which are no training data; {cure}", "wrong_kind"
        )
    if most_cost is not None and order.operation is not Operation.REFINE:
        raise FieldError("most_cost", "is for refinements; samples have no cost", "leave it out")
    if desk.end(order.key) is None:
        raise _refusal(order, "goes on; ask again once it has ended", "not_ended")
    key = order.key.rows(most_cost)
    if not desk.store.exists(key):
        desk.store.put_if_absent(key, _lines(desk, order, most_cost))
        # The job may have been deleted meanwhile.
        desk.clear(order.key)
    return key


def _lines(desk: JobDesk, order: JobOrder, most_cost: float | None) -> Iterator[bytes]:
    export = Export()
    for row in _rows(desk, order, Choice(most_cost=most_cost), export):
        yield dump_line(row)
    if not export.rows:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(export.left_out.items()))
        cure = "name a job with answers that were verified as right"
        raise _refusal(order, f"has no record to train on ({told or 'no records'}); {cure}", "no_rows")


def _rows(desk: JobDesk, order: JobOrder, choice: Choice, export: Export) -> Iterator[Row]:
    lines = (RawLine(line, 0, record) for line, record in desk.results(order))
    if order.operation is Operation.ROLL_OUT:
        return native_rows(lines, export)
    return export_lines(lines, prompt_completion, choice, export)


def _refusal(order: JobOrder, problem: str, code: str) -> HttpError:
    return HttpError(409, f"{FIELD}: job {order.key.job} {problem}", code, param=FIELD)
