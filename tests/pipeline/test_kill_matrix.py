"""Kill -9 of every part in the middle of a job: it ends with the bytes of the undisturbed run."""

from __future__ import annotations

import os
from collections.abc import Callable

import psutil
import pytest
from house import House, Part, eventually

from shared.jobs.order import JobOrder, JobState

pytestmark = pytest.mark.skipif("IDIOLECT_TEST_KILL" not in os.environ, reason="part of make test-kill")


def named(part: Part, words: str, depth: int) -> psutil.Process:
    """The first process below a host whose command holds the words; depth 1: its child."""
    level = [psutil.Process(part.process.pid)]
    for _ in range(depth):
        level = [child for above in level for child in above.children()]
    return next(process for process in level if words in " ".join(process.cmdline()))


def a_pool_process(house: House, workers: Part) -> None:
    named(workers, "worker bulk", 2).kill()


def a_celery_worker(house: House, workers: Part) -> None:
    named(workers, "worker bulk", 1).kill()


def the_host_alone(house: House, workers: Part) -> None:
    workers.process.kill()
    workers.process.wait()
    workers.start()


def all_workers(house: House, workers: Part) -> None:
    workers.kill()
    workers.start()


def the_student(house: House, workers: Part) -> None:
    house.named["student"].kill()
    house.named["student"].start()


def the_oracle(house: House, workers: Part) -> None:
    house.named["oracle"].kill()
    house.named["oracle"].start()


def redis(house: House, workers: Part) -> None:
    house.named["redis"].kill()
    house.named["redis"].start()


VICTIMS = [a_pool_process, a_celery_worker, the_host_alone, all_workers, the_student, the_oracle, redis]
STAGES = (0.0, 0.25, 0.7)


def reaches(house: House, order: JobOrder, share: float) -> bool:
    prepared = house.desk.prepared(order) is not None
    return prepared and house.decided(order) >= share * order.shards


@pytest.mark.parametrize("share", STAGES)
@pytest.mark.parametrize("kill", VICTIMS, ids=lambda victim: victim.__name__)
def test_the_bytes_are_those_of_the_undisturbed_run(
    house: House,
    workers: Part,
    undisturbed: tuple[str, bytes],
    fitted: tuple[JobOrder, JobState],
    lines: list[bytes],
    kill: Callable[[House, Part], None],
    share: float,
) -> None:
    order = house.submit(lines, profile=undisturbed[0])
    eventually(lambda: reaches(house, order, share), "the stage")
    kill(house, workers)
    house.end_of(order)
    assert house.records(order) == undisturbed[1]
