"""A worker for evaluations: the operation of the pipeline over real services, without its processes."""

from __future__ import annotations

from types import TracebackType

from desk_worker import DeskWorker

from services.pipeline.work.engines import Engines, EngineTargets
from services.pipeline.work.operations import line_work
from shared.jobs.config import JobConfig
from shared.jobs.desk import JobDesk, split_lines
from shared.jobs.layout import ShardId
from shared.jobs.order import Fate, JobOrder, ShardOutcome
from shared.jsonl import RawLine
from shared.rpc.channel import Target


class EvaluationWorker(DeskWorker):
    """Does what a job's operation says with every line; a context manager."""

    def __init__(self, desk: JobDesk, student: str, oracle: str) -> None:
        super().__init__(desk)
        self._engines = Engines(EngineTargets(Target(student), Target(oracle)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._engines.cut()

    def _work(self, order: JobOrder, shard: ShardId) -> None:
        config = JobConfig.of(order.config)
        profile = self._engines.student.profile(config.profile) if config.profile else None
        work = line_work(order.operation, config, self._engines, profile)
        first = shard.root * order.lines_a_shard + 1
        rows = split_lines(self._desk.store.stream(order.key.input(shard.root)))
        found = [work.work(RawLine(at, 0, row.rstrip(b"\n"))) for at, row in enumerate(rows, first)]
        counts: dict[str, int] = {}
        for line in found:
            counts[line.outcome] = counts.get(line.outcome, 0) + 1
        put = self._desk.store.put_if_absent
        for part in ("record", "error"):
            told = [(line.number, getattr(line, part)) for line in found if getattr(line, part)]
            rows_told = b"".join(b"%d\t%s\n" % one for one in told)
            put(order.key.shard(shard, {"record": "results.1", "error": "errors.1"}[part]), rows_told)
        self._desk.decide(order, shard, ShardOutcome(Fate.COMMIT, "1", counts))
