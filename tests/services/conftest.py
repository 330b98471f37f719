"""Services with every engine that runs here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "oracle"))

from oracles import DEMO, canned
from oracles import Stub as OracleStub
from served import Served, ServedOracle, rules, scripted

from services.inference.base import LanguageModel
from services.oracle.verifier.limits import Limits
from shared.clients.oracle import OracleClient
from shared.clients.student import StudentClient
from shared.domain import Trajectory, Verdict
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc
from shared.shapes import read_trajectories


async def transformers_engine() -> LanguageModel:
    from services.inference.transformers.engine import TransformersEngine, TransformersSettings

    return await TransformersEngine.start(TransformersSettings(threads=1))


ENGINES = {
    "scripted": scripted(tokens_per_second=2000, median_tokens=60),
    "transformers": transformers_engine,
}


@pytest.fixture(scope="session", params=ENGINES)
def student(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A student service on each engine in turn."""
    with Served(ENGINES[request.param], tmp_path_factory.mktemp("state")) as served:
        yield served


@pytest.fixture
def client(student: Served) -> Iterator[StudentClient]:
    """A client of it."""
    with StudentClient(student.target) as connected:
        yield connected


@pytest.fixture
def stub(student: Served) -> Iterator[student_pb2_grpc.StudentServiceStub]:
    """A bare stub, for what the client would not send."""
    with grpc.insecure_channel(student.address) as channel:
        yield student_pb2_grpc.StudentServiceStub(channel)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Served]:
    """A scripted student that takes its time: one sample lasts for minutes."""
    with Served(scripted(tokens_per_second=20, median_tokens=4000, sigma=0), tmp_path) as served:
        yield served


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOracle]:
    """Rules alone."""
    with ServedOracle(rules, tmp_path_factory.mktemp("rules"), limits=Limits(seconds=1.0)) as served:
        yield served


@pytest.fixture(scope="module")
def asker(oracle: ServedOracle) -> Iterator[OracleClient]:
    """A client of it."""
    with OracleClient(oracle.target) as connected:
        yield connected


@pytest.fixture(scope="module")
def oracle_stub(oracle: ServedOracle) -> Iterator[OracleStub]:
    """A bare stub, for what the client would not send."""
    with grpc.insecure_channel(oracle.address) as channel:
        yield OracleStub(channel)


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OracleClient]:
    """An oracle with a language model."""
    with (
        ServedOracle(canned(), tmp_path_factory.mktemp("canned")) as served,
        OracleClient(served.target) as connected,
    ):
        yield connected


@pytest.fixture(scope="module")
def demo(asker: OracleClient) -> list[tuple[Trajectory, Verdict]]:
    """Real solutions, among them some for each rewriter, and the verdicts on them."""
    with DEMO.open("rb") as stream:
        read = [item for item in islice(read_trajectories(stream), 50, 90) if isinstance(item, Trajectory)]
    return [(item, asker.verify(item.text, item.problem.gold)) for item in read]
