"""While a training runs, student and oracle sleep under leases; before and after they serve."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from served import Served, ServedOracle
from serving_trainer import TrainerHouse
from waiting import eventually

from services.inference.base import LanguageModel
from services.inference.transformers.engine import TransformersEngine, TransformersSettings
from services.trainer.handover import Sleeper
from shared.clients.student import StudentClient
from shared.domain.training import TrainingState
from shared.errors import AsleepError
from shared.jobs.stall import TRAINING, cause_of
from shared.ports import ScoreRequest
from shared.rpc.generated.idiolect.student.v1 import student_pb2 as pb
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc as grpc_pb
from shared.rpc.status import error_of

LEASE = 6.0


class NotingEngine(TransformersEngine):
    """Notes when it sleeps and wakes."""

    name = ""
    events: list[str] = []  # noqa: RUF012 - one list for all engines of a test

    async def sleep(self) -> None:
        await super().sleep()
        self.events.append(f"{self.name} sleeps")

    async def wake(self) -> None:
        await super().wake()
        self.events.append(f"{self.name} wakes")


@pytest.fixture
def events() -> list[str]:
    NotingEngine.events = []
    return NotingEngine.events


def engine_of(pupil: Path, name: str):  # type: ignore[no-untyped-def]
    async def make() -> LanguageModel:
        engine = await NotingEngine.start(TransformersSettings(str(pupil), "cpu", 1))
        engine.name = name
        return engine

    return make


@pytest.fixture
def student(pupil: Path, tmp_path: Path, events: list[str]) -> Iterator[Served]:
    with Served(engine_of(pupil, "student"), tmp_path / "student") as served:
        yield served


@pytest.fixture
def oracle(pupil: Path, tmp_path: Path, events: list[str]) -> Iterator[Served]:
    with ServedOracle(engine_of(pupil, "oracle"), tmp_path / "oracle") as served:
        yield served


@pytest.fixture
def house(pupil: Path, tmp_path: Path, student: Served, oracle: Served) -> Iterator[TrainerHouse]:
    sleepers = (Sleeper("student", student.target), Sleeper("oracle", oracle.target))
    with TrainerHouse(tmp_path / "trainer", pupil, sleepers, LEASE) as entered:
        yield entered


def asleep(served: Served) -> bool:
    return "asleep" in served.host._away


def score(served: Served) -> None:
    """One attempt to score a text, without the client's patience."""
    with grpc.insecure_channel(served.address, [("grpc.enable_retries", 0)]) as channel:
        stub = grpc_pb.StudentServiceStub(channel)
        try:
            digest = stub.GetInfo(pb.GetInfoRequest()).model.digest
            list(
                stub.Generate(
                    pb.GenerateRequest(
                        model_digest=digest, problem="2 + 2?", sampling=pb.Sampling(n=1, max_tokens=2)
                    )
                )
            )
        except grpc.RpcError as failed:
            raise error_of(failed) from None


def test_both_sleep_before_the_first_step_and_wake_after_the_last(
    house: TrainerHouse, rows: Path, events: list[str]
) -> None:
    training = house.start(rows)
    for _, step in house.client.watch(training.id):
        if step is not None:
            events.append("step")
    assert eventually(lambda: len([event for event in events if "wakes" in event]) == 2)
    order = [event for place, event in enumerate(events) if place == 0 or event != events[place - 1]]
    assert order[:3] == ["student sleeps", "oracle sleeps", "step"]
    assert sorted(order[-2:]) == ["oracle wakes", "student wakes"]


def test_meanwhile_calls_are_refused_with_a_hint_and_the_cause_training(
    house: TrainerHouse, rows: Path, student: Served
) -> None:
    training = house.start(rows, steps=100_000).id
    assert eventually(lambda: house.client.get(training).step > 0, 240)
    with pytest.raises(AsleepError) as caught:
        score(student)
    house.client.cancel(training)
    assert (cause_of(caught.value), caught.value.retry_after > 0) == (TRAINING, True)


@pytest.mark.long
def test_the_lease_is_renewed_for_as_long_as_the_training_runs(
    house: TrainerHouse, rows: Path, student: Served, oracle: Served
) -> None:
    training = house.start(rows, steps=100_000).id
    assert eventually(lambda: house.client.get(training).step > 0, 240)
    first = student.host._lease
    assert first is not None
    # Longer than the lease was given for: only renewed ones are still there.
    assert eventually(lambda: time.time() > first.ends + LEASE)
    sleeping = (asleep(student), asleep(oracle))
    house.client.cancel(training)
    assert sleeping == (True, True)


def test_a_call_under_way_is_let_through_before_the_training(
    house: TrainerHouse, rows: Path, student: Served, events: list[str]
) -> None:
    done = threading.Event()

    def ask() -> None:
        with StudentClient(student.target) as client:
            client.score([ScoreRequest("2 + 2?", "It is 4. " * 6)] * 20)
        events.append("call answered")
        done.set()

    asking = threading.Thread(target=ask)
    asking.start()
    assert eventually(lambda: student.host._running > 0 or done.is_set())
    house.end(house.start(rows).id)
    asking.join()
    assert events.index("call answered") <= events.index("student wakes")


@pytest.mark.long
def test_they_wake_after_a_training_that_failed(
    house: TrainerHouse, rows: Path, student: Served, oracle: Served
) -> None:
    ended = house.end(house.start(rows, learning_rate=1e38).id)
    assert ended.state is TrainingState.FAILED
    assert eventually(lambda: not asleep(student) and not asleep(oracle))


def test_they_wake_by_themselves_where_the_trainer_is_gone(pupil: Path, student: Served) -> None:
    with grpc.insecure_channel(student.address) as channel:
        stub = grpc_pb.StudentServiceStub(channel)
        asked = pb.SleepRequest(holder="a trainer that was killed")
        asked.ttl.FromMilliseconds(300)
        stub.Sleep(asked)
    assert eventually(lambda: not asleep(student))
    score(student)


@pytest.mark.long
def test_a_student_that_is_asleep_for_another_is_waited_for(
    house: TrainerHouse, rows: Path, student: Served
) -> None:
    with grpc.insecure_channel(student.address) as channel:
        asked = pb.SleepRequest(holder="another")
        asked.ttl.FromMilliseconds(1500)
        grpc_pb.StudentServiceStub(channel).Sleep(asked)
    assert house.end(house.start(rows).id).state is TrainingState.SUCCEEDED
