"""What is stored, as it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from services.gateway.batches import BatchRequest, BatchShelf, Closed, Refusal
from services.gateway.files import StoredFile
from services.gateway.openai_schemas import (
    BatchCounts,
    BatchFault,
    BatchFaults,
    BatchObject,
    FileObject,
)
from services.gateway.profiles import public_id
from services.gateway.schemas import (
    JobObject,
    OutputObject,
    Projection,
    Shards,
    Stalled,
)
from services.gateway.training_schemas import TrainedModelObject, TrainingObject, TrainingStep
from shared.domain.training import TrainingProgress, TrainingStanding
from shared.jobs.desk import JobDesk
from shared.jobs.errands import Errand, failure, hindrance
from shared.jobs.order import JobOrder, JobState
from shared.jobs.stall import stall_of
from shared.store import Store


def file_view(file: StoredFile) -> FileObject:
    """A file."""
    return FileObject(
        id=file.id, bytes=file.size, created_at=file.created, filename=file.filename, purpose=file.purpose
    )


def job_view(
    desk: JobDesk, order: JobOrder, projected: Projection | None = None, standing: str | None = None
) -> JobObject:
    """A job as it stands; `standing` says why one that has not ended doesn't move."""
    end = desk.end(order.key)
    state = desk.state(order) if end is None else end.state
    shards, counts = _progress(desk, order, state) if end is None else (_all(order), end.counts)
    config = dict(order.config)
    if config.get("profile"):
        config["profile"] = public_id(order.key.tenant, config["profile"])
    return JobObject(
        id=order.key.job,
        operation=order.operation,
        status=state,
        created_at=order.created,
        ended_at=None if end is None else end.ended,
        lines=order.lines,
        shards=shards,
        counts=counts,
        config=config,
        digests=order.digests,
        labels=order.labels,
        source=order.source,
        reason=standing if end is None else end.reason,
        projected=projected,
        output=_output(desk, order, ended=end is not None),
        stall=_stalled(desk, order) if end is None else None,
    )


def _output(desk: JobDesk, order: JobOrder, *, ended: bool) -> OutputObject | None:
    if order.output is None:
        return None
    failed = failure(desk.store, order.key, Errand.OUTPUT)
    if failed is not None:
        return OutputObject(address=order.output, status="failed", reason=failed)
    hindered = hindrance(desk.store, order.key, Errand.OUTPUT)
    waits = not ended or hindered is not None
    return OutputObject(
        address=order.output, status="waiting" if waits else "written", reason=hindered or None
    )


def _stalled(desk: JobDesk, order: JobOrder) -> Stalled | None:
    stall = stall_of(desk.store, order.key)
    return None if stall is None else Stalled.model_validate(asdict(stall))


def _all(order: JobOrder) -> Shards:
    return Shards(decided=order.shards, open=0)


def _progress(desk: JobDesk, order: JobOrder, state: JobState) -> tuple[Shards, Mapping[str, int]]:
    """What is decided; nothing has to be looked up where nobody has begun."""
    if state is JobState.QUEUED:
        return Shards(decided=0, open=order.shards), {}
    found = desk.progress(order)
    return Shards(decided=found.decided, open=found.open), found.counts


def projection(store: Store, order: JobOrder, *, model_oracle: bool | None) -> Projection:
    """What a job will roughly cost, as far as it can be known before."""
    size = store.size(order.key.input(0))
    whole = size * max(1, order.lines) // max(1, order.lines_of(0))
    return Projection(
        lines=order.lines,
        input_tokens=whole // 4,
        oracle_tokens=0 if model_oracle is False else None,
        budget=order.budget,
        basis="bytes of the first shard, taken for all lines; four bytes a token",
    )


def training_view(standing: TrainingStanding) -> TrainingObject:
    """A training."""
    model = None
    if standing.model is not None and standing.digest is not None:
        model = TrainedModelObject(
            name=standing.name, digest=standing.digest, adapter=standing.adapter, path=standing.model
        )
    return TrainingObject(
        id=standing.id,
        name=standing.name,
        base_model=standing.base,
        status=standing.state,
        step=standing.step,
        steps=standing.steps,
        tokens=standing.tokens,
        created_at=standing.created,
        ended_at=standing.ended,
        error=standing.error,
        model=model,
    )


def step_view(step: TrainingProgress) -> TrainingStep:
    """A step of a training."""
    return TrainingStep(**asdict(step))


def batch_view(shelf: BatchShelf, desk: JobDesk, request: BatchRequest) -> BatchObject:
    """A batch as it stands."""
    shown = BatchObject(
        id=request.id,
        endpoint=request.endpoint,
        input_file_id=request.input_file_id,
        completion_window=request.completion_window,
        status="validating",
        created_at=request.created,
        metadata=request.metadata,
        cancelling_at=shelf.cancel_wanted(request.id),
    )
    refusal = shelf.refusal(request.id)
    if refusal is not None:
        _show_refusal(shown, refusal)
        return shown
    order = shelf.job(request.id)
    if order is None:
        shown.status = "validating" if shown.cancelling_at is None else "cancelling"
        return _gone(shown, shelf.closed(request.id))
    shown.job_id = order.key.job
    shown.in_progress_at = int(order.created)
    _show_job(shown, desk, order, shelf.closed(request.id))
    return shown


def _gone(shown: BatchObject, closed: Closed | None) -> BatchObject:
    """A batch whose job was deleted keeps its files."""
    if closed is not None:
        shown.status = "completed" if shown.cancelling_at is None else "cancelled"
        _show_files(shown, closed, closed.completed + closed.failed)
    return shown


def _show_refusal(shown: BatchObject, refusal: Refusal) -> None:
    if refusal.cancelled:
        shown.status, shown.cancelled_at = "cancelled", refusal.failed_at
        return
    shown.status, shown.failed_at = "failed", refusal.failed_at
    faults = [
        BatchFault(code=fault.code, message=fault.message, line=fault.line, param=fault.param)
        for fault in refusal.faults
    ]
    shown.errors = BatchFaults(data=faults)


def _show_job(shown: BatchObject, desk: JobDesk, order: JobOrder, closed: Closed | None) -> None:
    end = desk.end(order.key)
    if end is None:
        counts = desk.progress(order).counts
        bad = counts.get("bad", 0)
        done = sum(counts.values()) - bad
        shown.request_counts = BatchCounts(total=order.lines, completed=done, failed=bad)
        shown.status = "in_progress" if shown.cancelling_at is None else "cancelling"
        return
    shown.finalizing_at = int(end.ended)
    if closed is None:
        shown.status = "finalizing"
        return
    _show_files(shown, closed, order.lines)
    if end.state is JobState.COMPLETED:
        shown.status, shown.completed_at = "completed", closed.ended
    elif end.state is JobState.CANCELLED:
        shown.status, shown.cancelled_at = "cancelled", closed.ended
    else:
        shown.status, shown.failed_at = "failed", closed.ended
        fault = BatchFault(code="job_failed", message=end.reason or "the job failed", line=None, param=None)
        shown.errors = BatchFaults(data=[fault])


def _show_files(shown: BatchObject, closed: Closed, total: int) -> None:
    shown.output_file_id, shown.error_file_id = closed.output_file_id, closed.error_file_id
    shown.request_counts = BatchCounts(total=total, completed=closed.completed, failed=closed.failed)
