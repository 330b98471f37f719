"""Ends jobs: closes the open shards of a cancelled one, and says how a whole one ended."""

from __future__ import annotations

import time

from services.pipeline.dispatch.leases import Leases
from services.pipeline.work.segments import finished_lines, outcome_of
from shared.jobs.desk import JobDesk
from shared.jobs.layout import ShardId
from shared.jobs.order import Fate, JobEnd, JobOrder, JobState, ShardOutcome

_CLOSER = "cancel"


def close_cancelled(desk: JobDesk, leases: Leases, order: JobOrder) -> bool:
    """Decide every open shard that nobody works on, with what was finished of it; whether all are decided.

    Who holds a shard sees the wish itself.
    """
    complete = True
    for shard in desk.open_shards(order):
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
    leaves = (outcome for root in order.roots() for _, outcome in desk.leaves(order, root))
    cancelled = any(outcome is not None and outcome.fate is Fate.CANCELLED for outcome in leaves)
    state = JobState.CANCELLED if cancelled else JobState.COMPLETED
    desk.store.delete(order.key.progress)
    desk.finish(order, JobEnd(state, time.time(), desk.progress(order).counts))
