"""A worker that plays the pipeline: it finds live jobs at the desk and decides their shards."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from shared.domain import Trajectory
from shared.jobs.desk import JobDesk, split_lines
from shared.jobs.layout import ShardId
from shared.jobs.order import Fate, JobEnd, JobOrder, JobState, ShardOutcome
from shared.jsonl import BadLine, RawLine, dump_line, parse_line
from shared.shapes import parser

FOREVER = 1 << 30


class DeskWorker:
    """Keeps every trajectory as it is; a context manager. `shards` bounds how many it decides."""

    def __init__(self, desk: JobDesk, shards: int = FOREVER) -> None:
        self._desk = desk
        self._left = shards
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._read = parser()

    def __enter__(self) -> DeskWorker:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            for key in self._desk.live():
                if self._desk.store.exists(key.order):
                    self._attend(self._desk.order(key))

    def _attend(self, order: JobOrder) -> None:
        for shard in list(self._desk.open_shards(order)):
            if self._desk.is_cancelled(order.key):
                self._desk.decide(order, shard, ShardOutcome(Fate.CANCELLED))
            elif self._left > 0:
                self._left -= 1
                self._work(order, shard)
        if not any(self._desk.open_shards(order)):
            self._end(order)

    def _work(self, order: JobOrder, shard: ShardId) -> None:
        records, errors = [], []
        first = shard.root * order.lines_a_shard + 1
        rows = split_lines(self._desk.store.stream(order.key.input(shard.root)))
        for number, row in enumerate(rows, first):
            if not row.strip():
                continue
            found = parse_line(RawLine(number, 0, row.rstrip(b"\n")), self._read)
            if isinstance(found, BadLine):
                told = {"line": number, "id": None, "field": found.field, "reason": found.reason}
                errors.append(b"%d\t%s" % (number, dump_line(told)))
            else:
                records.append(b"%d\t%s" % (number, dump_line(_record(found, number))))
        put = self._desk.store.put_if_absent
        put(order.key.shard(shard, "results.1"), b"".join(records))
        put(order.key.shard(shard, "errors.1"), b"".join(errors))
        counts = {"kept": len(records), "bad": len(errors)}
        self._desk.decide(order, shard, ShardOutcome(Fate.COMMIT, "1", counts))

    def _end(self, order: JobOrder) -> None:
        cancelled = self._desk.is_cancelled(order.key)
        state = JobState.CANCELLED if cancelled else JobState.COMPLETED
        self._desk.finish(order, JobEnd(state, time.time(), self._desk.progress(order).counts))


def _record(trajectory: Trajectory, line: int) -> dict[str, object]:
    text = trajectory.text
    return {"id": trajectory.id, "line": line, "outcome": "kept", "refined": {"text": text}}
