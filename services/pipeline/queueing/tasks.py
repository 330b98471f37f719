"""The tasks: each takes ids and leaves the work to the bench of its process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from services.pipeline.dispatch.rounds import ERRAND_TASK, PREPARE_TASK, SHARD_TASK
from services.pipeline.queueing.app import task
from services.pipeline.work.bench import Bench
from shared.jobs.interactive import TASK as ANSWER_TASK


def register(make: Callable[[], Bench]) -> None:
    """Makes the tasks known; each process makes its bench when it has its first one."""
    bench = cache(make)

    @task(PREPARE_TASK)
    def prepare_job(tenant: str, job: str) -> None:
        bench().prepare(tenant, job)

    @task(SHARD_TASK)
    def work_shard(tenant: str, job: str, shard: str) -> None:
        bench().shard(tenant, job, shard)

    @task(ERRAND_TASK)
    def run_errand(tenant: str, job: str, errand: str) -> None:
        bench().errand(tenant, job, errand)

    @task(ANSWER_TASK)
    def answer_request(number: str) -> None:
        bench().answer(number)
