"""Students serve what the store says, each replica, without a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served
from serving_trainer import TENANT, TrainerHouse
from waiting import eventually

from services.inference.base import LanguageModel
from services.inference.host import EngineHost, Patience
from services.inference.prompting import StudentTemplate
from services.inference.transformers.engine import TransformersEngine, TransformersSettings
from services.student.core import StudentCore
from services.student.following import Follower
from services.student.servicer import StudentService
from shared.clients.student import StudentClient
from shared.domain.training import Lora, TrainingStanding, TrainingState
from shared.errors import MismatchError, NotFoundError
from shared.ports import ScoreRequest
from shared.published import PublishedModel, Serving, serve
from shared.rpc.server import Service
from shared.store.base import Store


class FollowingStudent(Served):
    """A student that looks into a store for what to serve, fifty times a second."""

    def __init__(self, pupil: Path, state: Path, store: Store) -> None:
        async def make() -> LanguageModel:
            return await TransformersEngine.start(TransformersSettings(str(pupil), "cpu", 1))

        super().__init__(make, state)
        self._store = store

    def _service(self) -> Service:
        self.host = EngineHost(self._made, patience=Patience(drain=10.0, first_retry=0.05))
        follower = Follower(self.host, self._store, self._state / "models", 0.02)
        core = StudentCore(self.host, self._state / "profiles", StudentTemplate(), follower)
        return StudentService(core)

    def serves(self, digest: str | None) -> bool:
        with StudentClient(self.target) as client:
            return client.info.digest == digest


@pytest.fixture(scope="module")
def house(pupil: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainerHouse]:
    with TrainerHouse(tmp_path_factory.mktemp("house"), pupil) as entered:
        yield entered


@pytest.fixture(scope="module")
def trained(house: TrainerHouse, rows: Path) -> TrainingStanding:
    ended = house.end(house.start(rows).id)
    assert ended.state is TrainingState.SUCCEEDED
    return ended


@pytest.fixture
def students(house: TrainerHouse, pupil: Path, tmp_path: Path) -> Iterator[list[FollowingStudent]]:
    """Two replicas; nobody has said yet what they are to serve."""
    house.store.delete("models/serving")
    with (
        FollowingStudent(pupil, tmp_path / "one", house.store) as one,
        FollowingStudent(pupil, tmp_path / "two", house.store) as two,
    ):
        yield [one, two]


def test_every_replica_follows_to_a_trained_model(
    house: TrainerHouse, trained: TrainingStanding, students: list[FollowingStudent]
) -> None:
    assert trained.digest is not None
    house.client.serve(trained.name, trained.digest)
    assert eventually(lambda: all(student.serves(trained.digest) for student in students))


def test_every_replica_follows_to_an_adapter(
    house: TrainerHouse, rows: Path, students: list[FollowingStudent]
) -> None:
    ended = house.end(house.start(rows, lora=Lora(rank=4)).id)
    assert ended.digest is not None
    house.client.serve(ended.name, ended.digest, adapter=ended.adapter)
    assert eventually(lambda: all(student.serves(ended.digest) for student in students))


def test_a_client_that_expects_the_old_model_is_told(
    house: TrainerHouse, trained: TrainingStanding, students: list[FollowingStudent]
) -> None:
    with StudentClient(students[0].target) as client:
        client.score([ScoreRequest("2 + 2?", "4")])
        assert trained.digest is not None
        house.client.serve(trained.name, trained.digest)
        assert eventually(lambda: students[0].serves(trained.digest))
        with pytest.raises(MismatchError):
            client.score([ScoreRequest("2 + 2?", "4")])


def test_a_student_that_starts_later_follows_too(
    house: TrainerHouse, trained: TrainingStanding, pupil: Path, tmp_path: Path
) -> None:
    assert trained.digest is not None
    house.client.serve(trained.name, trained.digest)
    with FollowingStudent(pupil, tmp_path, house.store) as student:
        assert eventually(lambda: student.serves(trained.digest))


def test_what_is_not_published_can_not_be_served(house: TrainerHouse) -> None:
    with pytest.raises(NotFoundError, match="no published model"):
        serve(house.store, Serving(PublishedModel(TENANT, "graduate", "0" * 64)))
