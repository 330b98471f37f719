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
sys.path.insert(2, str(Path(__file__).parents[1] / "openai_engine"))

from oracles import DEMO, canned
from oracles import Stub as OracleStub
from served import Make, Served, ServedOracle, rules, scripted
from servers import free_port, made_servable, running

from services.inference.base import LanguageModel
from services.oracle.verifier.limits import Limits
from shared.clients.oracle import OracleClient
from shared.clients.student import StudentClient
from shared.domain import Trajectory, Verdict
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc
from shared.shapes import read_trajectories


async def transformers_engine() -> LanguageModel:
    """SmolLM2 in process, on transformers."""
    from services.inference.transformers.engine import TransformersEngine, TransformersSettings

    return await TransformersEngine.start(TransformersSettings(threads=1))


async def vllm_engine() -> LanguageModel:
    """SmolLM2 on vLLM."""
    from services.inference.vllm.model import VllmModel
    from services.inference.vllm.settings import VllmSettings

    return await VllmModel.start(VllmSettings(dtype="float32", max_num_seqs=64))


def endpoint_engine(address: str, folder: Path) -> Make:
    """SmolLM2 behind `transformers serve`, a server of another project."""

    async def make() -> LanguageModel:
        from services.inference.openai.engine import OpenAIEngine
        from services.inference.openai.settings import OpenAISettings

        settings = OpenAISettings(address, str(folder), tokenizer=folder, context=8192, max_retries=1)
        return await OpenAIEngine.connect(settings)

    return make


@pytest.fixture(scope="session", params=["scripted", "transformers", "vllm", "openai"])
def student(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A student service on each engine in turn."""
    with Served(_maker(request), tmp_path_factory.mktemp("state")) as served:
        yield served


def _maker(request: pytest.FixtureRequest) -> Make:
    if request.param == "scripted":
        return scripted(tokens_per_second=2000, median_tokens=60)
    if request.param == "vllm":
        pytest.importorskip("vllm", reason="vLLM is not installed here; `make test-vllm` runs this")
        return vllm_engine
    if request.param == "openai":
        return endpoint_engine(
            request.getfixturevalue("transformers_server"), request.getfixturevalue("folder")
        )
    return transformers_engine


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2's folder, as servers want it."""
    from services.inference.checkpoint import find_folder

    return made_servable(find_folder(None)[1], tmp_path_factory.mktemp("smollm"))


@pytest.fixture(scope="session")
def transformers_server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`transformers serve`; the model's name there is its folder."""
    home, port = tmp_path_factory.mktemp("hub"), free_port()
    (home / "hub").mkdir()
    program = str(Path(sys.executable).with_name("transformers"))
    command = [program, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--device", "cpu"]
    with running(command, port, home / "log", 120, HF_HOME=str(home)) as address:
        yield address


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
