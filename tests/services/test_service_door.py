"""The door of every service: statuses, limits, health, reflection, figures, traces."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from served import Served, scripted
from waiting import eventually

from services.inference.base import LanguageModel
from services.inference.scripted import ScriptedModel
from shared.clients.student import StudentClient
from shared.errors import EngineLostError, FieldError
from shared.ports import GenerationRequest, ScoreRequest
from shared.rpc.generated.idiolect.student.v1 import student_pb2 as pb
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc as grpc_pb
from shared.rpc.server import ServerSettings
from shared.tracing import continue_trace, trace_id

METHODS = "/idiolect.student.v1.StudentService/"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = ServerSettings(metrics_listen="127.0.0.1:0", drain_seconds=5)
    with Served(scripted(median_tokens=20), tmp_path_factory.mktemp("state"), settings) as served:
        yield served


@pytest.fixture(scope="module")
def channel(student: Served) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(student.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def digest(channel: grpc.Channel) -> str:
    return grpc_pb.StudentServiceStub(channel).GetInfo(pb.GetInfoRequest()).model.digest


def send_raw(channel: grpc.Channel, method: str, data: bytes) -> grpc.RpcError:
    """The error that raw bytes end with."""
    call = channel.unary_unary(METHODS + method)
    with pytest.raises(grpc.RpcError) as caught:
        call(data)
    return caught.value


def details(error: grpc.RpcError) -> list:
    """The typed details of a status."""
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
    found = []
    for detail in status_pb2.Status.FromString(packed).details:
        message = next(kind() for kind in kinds if detail.Is(kind.DESCRIPTOR))
        detail.Unpack(message)
        found.append(message)
    return found


def test_a_path_that_is_no_utf8_is_refused_by_name(channel: grpc.Channel, digest: str) -> None:
    request = pb.LoadModelRequest(model_digest=digest, source="/models/x").SerializeToString()
    error = send_raw(channel, "LoadModel", request.replace(b"/models/x", b"/model\xff\xfe/"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "source: holds bytes that are no UTF-8; send text encoded as UTF-8"


def test_a_nested_field_that_is_no_utf8_is_named_by_its_path(channel: grpc.Channel) -> None:
    request = pb.GenerateRequest(problem="p", sampling=pb.Sampling(stop=["mark"])).SerializeToString()
    call = channel.unary_stream(METHODS + "Generate")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(request.replace(b"mark", b"\xff\xfe\xff\xfe")))
    assert caught.value.details().startswith("sampling.stop: ")


def test_bytes_that_are_no_message_are_refused(channel: grpc.Channel) -> None:
    assert send_raw(channel, "LoadModel", b"\xff\xff\xff").code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_text_of_ten_megabytes_is_refused_by_field(channel: grpc.Channel, digest: str) -> None:
    request = pb.JudgeStyleRequest(model_digest=digest, problem="p", text="x" * 10_000_000)
    error = send_raw(channel, "JudgeStyle", request.SerializeToString())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "text: makes the message 10.0 MB" in error.details()


def test_a_message_of_a_hundred_megabytes_is_refused(channel: grpc.Channel) -> None:
    assert send_raw(channel, "JudgeStyle", b"x" * 100_000_000).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_field_error_carries_the_field_for_machines(channel: grpc.Channel, digest: str) -> None:
    error = send_raw(channel, "LoadModel", pb.LoadModelRequest(model_digest=digest).SerializeToString())
    info, broken = details(error)
    assert (info.reason, broken.field_violations[0].field) == ("FieldError", "source")


def test_the_code_inside_the_details_is_that_of_the_status(channel: grpc.Channel, digest: str) -> None:
    error = send_raw(channel, "LoadModel", pb.LoadModelRequest(model_digest=digest).SerializeToString())
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert status_pb2.Status.FromString(packed).code == code_pb2.INVALID_ARGUMENT


def test_health_is_told_for_each_service(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    names = ("", "idiolect.student.v1.StudentService")
    checked = [stub.Check(health_pb2.HealthCheckRequest(service=name)).status for name in names]
    assert checked == [health_pb2.HealthCheckResponse.SERVING] * 2


def test_reflection_lists_the_service(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    listed = next(stub.ServerReflectionInfo(asked)).list_services_response.service
    assert "idiolect.student.v1.StudentService" in {service.name for service in listed}


def test_health_is_not_serving_before_the_model_is_loaded(tmp_path: Path) -> None:
    loaded = asyncio.Event()

    async def make() -> LanguageModel:
        await loaded.wait()
        return await scripted()()

    served = Served(make, tmp_path)
    entering = served.enter_soon()
    assert eventually(lambda: served.address != "")
    with grpc.insecure_channel(served.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        before = stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True).status
        served.call_soon(loaded.set)
        entering.result(10)
        after = stub.Check(health_pb2.HealthCheckRequest()).status
    served.__exit__()
    kinds = health_pb2.HealthCheckResponse
    assert (before, after) == (kinds.NOT_SERVING, kinds.SERVING)


def test_requests_and_tokens_are_counted(student: Served) -> None:
    with StudentClient(student.target) as client:
        client.generate(GenerationRequest("How many?", max_tokens=7))
    shown = urllib.request.urlopen(f"http://{student.running.metrics_address}/metrics").read().decode()
    assert 'idiolect_requests_total{code="OK",method="Generate",service="student"}' in shown
    assert 'idiolect_tokens_total{direction="out",service="student"}' in shown
    assert 'idiolect_request_duration_seconds_bucket{le="600.0",method="Generate",service="student"}' in shown


def test_its_page_tells_the_memory_of_its_devices(student: Served) -> None:
    assert 'idiolect_device_memory_used_bytes{device="cpu",service="student"}' in student.metrics()


def test_a_refused_request_is_counted_with_its_code(student: Served) -> None:
    with StudentClient(student.target) as client, pytest.raises(FieldError):
        client.generate(GenerationRequest(" "))
    assert 'code="INVALID_ARGUMENT",method="Generate"' in student.metrics()


def test_a_defect_is_internal_and_the_service_lives_on(tmp_path: Path) -> None:
    class Defective(ScriptedModel):
        async def score(self, prompt, text):
            raise ZeroDivisionError("by nobody")

    async def make():
        return Defective()

    with Served(make, tmp_path) as served, grpc.insecure_channel(served.address) as channel:
        stub = grpc_pb.StudentServiceStub(channel)
        named = stub.GetInfo(pb.GetInfoRequest()).model.digest
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.Score(iter([pb.ScoreRequest(model_digest=named, problem="p", text="t")])))
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert stub.GetInfo(pb.GetInfoRequest()).model.digest == named


def test_the_trace_of_a_call_reaches_the_service(tmp_path: Path) -> None:
    seen: list[str | None] = []

    class Watching(ScriptedModel):
        async def score(self, prompt, text):
            seen.append(trace_id())
            return await super().score(prompt, text)

    async def make():
        return Watching()

    continue_trace([("traceparent", f"00-{'ab' * 16}-{'cd' * 8}-01")])
    with Served(make, tmp_path) as served, StudentClient(served.target) as client:
        client.score([ScoreRequest("p", "t")])
    assert seen == ["ab" * 16]


def test_a_lost_engine_is_told_and_built_anew(tmp_path: Path) -> None:
    with Served(scripted(die_after=3), tmp_path) as served, StudentClient(served.target) as client:
        before = client.generate(GenerationRequest("p", max_tokens=5))
        served.model._lost = True
        with grpc.insecure_channel(served.address) as channel:
            stub = grpc_pb.StudentServiceStub(channel)
            asked = pb.GenerateRequest(
                model_digest=client.info.digest,
                problem="p",
                sampling=pb.Sampling(max_tokens=5, temperature=1),
            )
            with pytest.raises(grpc.RpcError) as caught:
                list(stub.Generate(asked))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert eventually(lambda: len(served.models) == 2 and served.host.state.up)
        assert client.generate(GenerationRequest("p", max_tokens=5)) == before
        assert served.host.state.restarts == 1


def test_the_client_asks_again_when_a_sample_was_dropped(tmp_path: Path) -> None:
    with Served(scripted(fail_every=2), tmp_path) as served, StudentClient(served.target) as client:
        request = GenerationRequest("p", max_tokens=5)
        assert [client.generate(request) for _ in range(6)] == [client.generate(request)] * 6


def test_errors_cross_the_wire_as_what_they_were(tmp_path: Path) -> None:
    async def make():
        model = await scripted()()
        await model.close()
        return model

    with (
        Served(make, tmp_path) as served,
        StudentClient(served.target) as client,
        pytest.raises(EngineLostError, match="the scripted engine died"),
    ):
        client.score([ScoreRequest("p", "t")])
