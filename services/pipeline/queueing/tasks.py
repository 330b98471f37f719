"""The tasks: each takes ids and leaves the work to the bench of its process."""

from __future__ import annotations

from services.pipeline.dispatch.rounds import PREPARE_TASK, SHARD_TASK
from services.pipeline.queueing.app import task
from services.pipeline.work.bench import bench
from shared.jobs.interactive import TASK as ANSWER_TASK


@task(PREPARE_TASK)
def prepare_job(tenant: str, job: str) -> None:
    """Bind a job to its profile and engines."""
    bench().prepare(tenant, job)


@task(SHARD_TASK)
def work_shard(tenant: str, job: str, shard: str) -> None:
    """Work one shard of a job."""
    bench().shard(tenant, job, shard)


@task(ANSWER_TASK)
def answer_request(number: str) -> None:
    """Answer a request whose sender waits."""
    bench().answer(number)
