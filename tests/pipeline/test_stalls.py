"""Each stage of a job is wedged in turn: the job, a metric and the log name the cause; then it ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from house import House, Part, eventually
from served import Served, ServedOracle, scripted

from services.inference.base import LanguageModel
from shared.clients.student import StudentClient
from shared.jobs.order import JobOrder, JobState, Operation
from shared.jobs.stall import stall_of
from tests.openai_engine.faulty_endpoint import Faulty, Refusal
from tests.openai_engine.faulty_endpoint import served as answering

PROBLEM = json.dumps({"id": "p", "problem": "What is 3 + 4?", "gold": "7"}).encode()


@dataclass
class Watched:
    """A host of workers that soon calls a job stalled, and where it tells."""

    house: House
    part: Part
    ready: Path

    def cause(self, order: JobOrder) -> str | None:
        stall = stall_of(self.house.store, order.key)
        return None if stall is None else stall.cause

    def scraped(self) -> str:
        return urlopen(f"http://{self.ready.read_text()}/metrics").read().decode()

    def tells(self, order: JobOrder, cause: str) -> bool:
        """The job, the metric and the log name the cause."""
        eventually(lambda: self.cause(order) == cause, f"the cause {cause} in the job")
        counted = f'idiolect_jobs_stalled{{cause="{cause}"}} 1.0'
        eventually(lambda: counted in self.scraped(), "the metric")
        log = (self.house.folder / "workers.log").read_text()
        return f"job {order.key.job} stands still ({cause})" in log

    def ends(self, order: JobOrder) -> JobState:
        end = self.house.end_of(order)
        eventually(lambda: self.cause(order) is None, "the end of the stall")
        return end.state

    def kill(self) -> None:
        self.part.kill()
        self.ready.unlink(missing_ok=True)


def watched(house: House, **environment: str) -> Watched:
    ready = house.folder / "watched.ready"
    part = house.workers(IDIOLECT_PIPELINE_STALL="2", IDIOLECT_READY_FILE=str(ready), **environment)
    eventually(ready.exists, "the host")
    return Watched(house, part, ready)


@pytest.fixture
def host(house: House) -> Iterator[Watched]:
    found = watched(house)
    yield found
    found.kill()


def test_an_oracle_that_is_gone_is_the_verifier(house: House, host: Watched, real_lines: list[bytes]) -> None:
    house.named["oracle"].kill()
    order = house.submit(real_lines[:8], Operation.VERIFY)
    told = host.tells(order, "verifier")
    eventually(lambda: 'idiolect_retries_total{cause="verifier"}' in host.scraped(), "the retries")
    house.named["oracle"].start()
    assert (told, host.ends(order)) == (True, JobState.COMPLETED)


def test_an_oracle_that_does_not_answer_is_the_verifier(
    house: House, host: Watched, real_lines: list[bytes]
) -> None:
    oracle = house.named["oracle"].process
    oracle.send_signal(signal.SIGSTOP)
    order = house.submit(real_lines[:8], Operation.VERIFY)
    told = host.tells(order, "verifier")
    oracle.send_signal(signal.SIGCONT)
    assert (told, host.ends(order)) == (True, JobState.COMPLETED)


def test_a_student_that_takes_for_ever_is_the_engine(house: House, tmp_path: Path) -> None:
    with Served(scripted(tokens_per_second=0.01), tmp_path) as student:
        host = watched(house, IDIOLECT_STUDENT=student.address)
        order = house.submit([PROBLEM], Operation.ROLL_OUT, samples=1)
        told = host.tells(order, "engine")
        house.desk.cancel(order)
        ended = host.ends(order)
        host.kill()
    assert (told, ended) == (True, JobState.CANCELLED)


@pytest.mark.long
def test_a_lease_of_the_accelerator_is_training(house: House, tmp_path: Path) -> None:
    with Served(scripted(), tmp_path) as student, StudentClient(student.target) as client:
        host = watched(house, IDIOLECT_STUDENT=student.address)
        lease = client.sleep("a training run", timedelta(minutes=10))
        order = house.submit([PROBLEM], Operation.ROLL_OUT, samples=1)
        told = host.tells(order, "training")
        stall = stall_of(house.store, order.key)
        client.wake(lease)
        ended = host.ends(order)
        host.kill()
    assert (told, ended) == (True, JobState.COMPLETED)
    assert stall is not None
    assert "a training run" in stall.reason


def test_an_engine_that_refuses_for_now_is_the_rate_limit(
    house: House, tmp_path: Path, real_lines: list[bytes]
) -> None:
    with answering(Faulty(after=Refusal(429, headers={"Retry-After": "3600"}))) as endpoint:

        async def make() -> LanguageModel:
            from services.inference.openai.engine import OpenAIEngine
            from services.inference.openai.settings import OpenAISettings

            return await OpenAIEngine.connect(OpenAISettings(endpoint.url, "m", max_retries=0))

        with ServedOracle(make, tmp_path) as oracle:
            host = watched(house, IDIOLECT_ORACLE=oracle.address)
            order = house.submit(real_lines[:2], scorer="none")
            told = host.tells(order, "rate_limit")
            house.desk.cancel(order)
            ended = host.ends(order)
            host.kill()
    assert (told, ended) == (True, JobState.CANCELLED)


def test_workers_that_take_nothing_are_the_queue(
    house: House, host: Watched, real_lines: list[bytes]
) -> None:
    bulk = eventually(lambda: workers_of(host.part), "the worker")
    for process in bulk:
        process.suspend()
    order = house.submit(real_lines[:8], Operation.VERIFY)
    told = host.tells(order, "queue")
    for process in bulk:
        process.resume()
    assert (told, host.ends(order)) == (True, JobState.COMPLETED)


def workers_of(part: Part) -> list[psutil.Process]:
    return [process for process in part.tree() if "worker bulk" in " ".join(process.cmdline())]
