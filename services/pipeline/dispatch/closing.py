"""Ends jobs: closes the open shards of one that is cancelled or out of budget, and says how it ended."""

from __future__ import annotations

import time
from dataclasses import replace

from services.pipeline.dispatch.leases import Leases
from services.pipeline.work.segments import finished_lines, outcome_of
from shared.jobs.budget import BudgetBook
from shared.jobs.desk import JobDesk
from shared.jobs.layout import ShardId
from shared.jobs.order import Fate, JobEnd, JobOrder, JobState, ShardOutcome

_CLOSER = "cancel"


def close_cancelled(desk: JobDesk, leases: Leases, order: JobOrder) -> bool:
    """Decide every open shard that nobody works on, with what was finished of it; whether all are decided.

    Who holds a shard sees the wish itself.
    """
    complete = True
    for shard in desk.open_shards(order, desk.tally(order).roots):
        if leases.is_held(order.key, str(shard)):
            complete = False
        else:
            desk.decide(order, shard, _as_far_as_it_is(desk, order, shard))
    return complete


def _as_far_as_it_is(desk: JobDesk, order: JobOrder, shard: ShardId) -> ShardOutcome:
    lines = finished_lines(desk.store, order, shard)
    if not lines:
        return ShardOutcome(Fate.CANCELLED)
    # Two hosts may close at once and see different segments: each writes under a name of its own.
    name = f"{_CLOSER}-{len(lines)}"
    return outcome_of(desk.store, order, shard, name, lines, Fate.CANCELLED)


def finish(desk: JobDesk, order: JobOrder) -> None:
    """Say that all shards are decided, with the counts of their records."""
    tally = desk.advanced(order, desk.tally(order))
    counts = tally.counts
    end = JobEnd(JobState.CANCELLED if tally.cut else JobState.COMPLETED, time.time(), counts)
    if tally.cut and desk.is_exhausted(order) and not desk.is_cancelled(order.key):
        end = replace(end, state=JobState.FAILED, reason=_exhausted(desk, order, sum(counts.values())))
    desk.store.delete(order.key.progress)
    desk.finish(order, end)


def _exhausted(desk: JobDesk, order: JobOrder, lines: int) -> str:
    spent = BudgetBook(desk.store, order.key).read().bound
    return (
        f"budget: {order.budget} tokens of the oracle are not enough; {spent} were spent on {lines} of "
        f"{order.lines} lines, which stay; give a larger budget, or send the rest as another job"
    )
