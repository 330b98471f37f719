"""The student's methods of the contract: messages to domain types, the core, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from google.protobuf import timestamp_pb2
from grpc import aio

from services.student.core import Begun, ProfileOrder, StudentCore
from shared.domain import Sample, Sampling
from shared.errors import FieldError, InputError
from shared.metrics import EngineCollector, ServiceMetrics
from shared.ports import ScoreRequest
from shared.rpc.generated.idiolect.student.v1 import student_pb2 as pb
from shared.rpc.generated.idiolect.student.v1 import student_pb2_grpc as grpc_pb
from shared.rpc.streams import as_ready
from shared.rpc.wire.styles import (
    failure_message,
    gate_message,
    model_message,
    profile_message,
    scores_message,
)
from shared.rpc.wire.trajectories import span_of

# Texts of one stream that are scored, or wait to be read, at once.
SCORED_AT_ONCE = 256


class StudentService(grpc_pb.StudentServiceServicer):
    """Implements `shared.rpc.server.Service`."""

    name = "student"
    contract = "idiolect.student.v1.StudentService"

    def __init__(self, core: StudentCore) -> None:
        self._core = core

    def register(self, server: aio.Server, metrics: ServiceMetrics) -> None:
        """Add the methods, and what the engine tells about itself."""
        self._core.metrics = metrics
        metrics.registry.register(EngineCollector(self.name, lambda: self._core.host.state))
        grpc_pb.add_StudentServiceServicer_to_server(self, server)

    async def start(self, tell: Callable[[bool], None], fail: Callable[[Exception], None]) -> None:
        """Begin to load the engine."""
        await self._core.start(tell, fail)

    async def stop(self) -> None:
        """Let go of everything."""
        await self._core.stop()

    async def GetInfo(self, request: pb.GetInfoRequest, context: Any) -> pb.GetInfoResponse:
        return pb.GetInfoResponse(model=model_message(self._core.host.info))

    async def Generate(self, request: pb.GenerateRequest, context: Any) -> AsyncIterator[pb.GenerateResponse]:
        begun = _begun(request)
        made = self._core.sample(request.model_digest, begun, _sampling(request.sampling))
        async with aclosing(made) as samples:
            async for sample in samples:
                yield pb.GenerateResponse(sample=_sample(sample))

    async def Continue(self, request: pb.ContinueRequest, context: Any) -> AsyncIterator[pb.ContinueResponse]:
        begun = _begun(request, request.prefix)
        made = self._core.sample(request.model_digest, begun, _sampling(request.sampling))
        async with aclosing(made) as samples:
            async for sample in samples:
                yield pb.ContinueResponse(sample=_sample(sample))

    async def Score(
        self, requests: AsyncIterator[pb.ScoreRequest], context: Any
    ) -> AsyncIterator[pb.ScoreResponse]:
        async for response in as_ready(requests, self._scored, SCORED_AT_ONCE):
            yield response

    async def _scored(self, request: pb.ScoreRequest) -> pb.ScoreResponse:
        """Scores of one text, or the reason why this one has none."""
        profile = request.profile_id if request.HasField("profile_id") else None
        try:
            asked = ScoreRequest(request.problem, request.text)
            scores = await self._core.score(request.model_digest, asked, profile)
        except FieldError as error:
            return pb.ScoreResponse(index=request.index, failure=failure_message(error))
        return pb.ScoreResponse(index=request.index, scores=scores_message(scores))

    async def BuildProfile(
        self, requests: AsyncIterator[pb.BuildProfileRequest], context: Any
    ) -> pb.BuildProfileResponse:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("part") != "settings":
            raise FieldError("settings", "is missing", "send the settings first, then the samples")
        asked = first.settings
        served = asked.scorer == pb.PROFILE_SCORER_SERVED
        order = ProfileOrder(asked.name, asked.alpha, served, asked.native)
        profile = await self._core.build(asked.model_digest, order, _samples(requests))
        return pb.BuildProfileResponse(profile=profile_message(profile))

    async def GetProfile(self, request: pb.GetProfileRequest, context: Any) -> pb.GetProfileResponse:
        return pb.GetProfileResponse(profile=profile_message(await self._core.profile(request.profile_id)))

    async def JudgeStyle(self, request: pb.JudgeStyleRequest, context: Any) -> pb.JudgeStyleResponse:
        span = span_of(request.span, request.text, "span")
        asked = ScoreRequest(request.problem, request.text)
        verdict = await self._core.judge(request.model_digest, request.profile_id, asked, span)
        return pb.JudgeStyleResponse(verdict=gate_message(verdict))

    async def LoadModel(self, request: pb.LoadModelRequest, context: Any) -> pb.LoadModelResponse:
        info = await self._core.host.load(request.model_digest, request.source)
        return pb.LoadModelResponse(model=model_message(info))

    async def LoadAdapter(self, request: pb.LoadAdapterRequest, context: Any) -> pb.LoadAdapterResponse:
        source = request.source if request.HasField("source") else None
        info = await self._core.host.adapt(request.model_digest, source)
        return pb.LoadAdapterResponse(model=model_message(info))

    async def Sleep(self, request: pb.SleepRequest, context: Any) -> pb.SleepResponse:
        held = request.lease_id if request.HasField("lease_id") else None
        seconds = request.ttl.seconds + request.ttl.nanos / 1e9
        lease = await self._core.host.sleep(request.holder, seconds, held)
        ends = timestamp_pb2.Timestamp(seconds=int(lease.ends), nanos=int(lease.ends % 1 * 1e9))
        return pb.SleepResponse(lease_id=lease.id, expires_at=ends)

    async def Wake(self, request: pb.WakeRequest, context: Any) -> pb.WakeResponse:
        await self._core.host.wake(request.lease_id)
        return pb.WakeResponse()


def _begun(request: pb.GenerateRequest | pb.ContinueRequest, prefix: str = "") -> Begun:
    return Begun(
        request.problem,
        request.hint if request.HasField("hint") else None,
        prefix,
        request.instruction if request.HasField("instruction") else None,
        request.system if request.HasField("system") else None,
    )


def _sampling(message: pb.Sampling) -> Sampling:
    return Sampling(
        n=message.n or 1,
        temperature=message.temperature,
        top_p=message.top_p if message.HasField("top_p") else 1.0,
        max_tokens=message.max_tokens,
        seed=message.seed,
        stop=tuple(message.stop),
    )


def _sample(sample: Sample) -> pb.Sample:
    return pb.Sample(
        index=sample.index,
        text=sample.text,
        tokens=sample.tokens,
        finished=sample.finished,
        prompt_tokens=sample.prompt_tokens,
        cached_tokens=sample.cached_tokens,
    )


async def _samples(requests: AsyncIterator[pb.BuildProfileRequest]) -> AsyncIterator[tuple[str, str]]:
    async for request in requests:
        if request.WhichOneof("part") != "sample":
            raise InputError("the settings of a profile come first and once; send a sample")
        yield request.sample.problem, request.sample.text
