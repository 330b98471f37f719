"""The oracle's methods of the contract: messages to domain types, the core, and back."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any

from google.protobuf import timestamp_pb2
from grpc import aio

from services.oracle.core import OracleCore, prompts
from shared.errors import FieldError
from shared.metering import spent_so_far
from shared.metrics import EngineCollector, ServiceMetrics, VerifierCollector
from shared.ports import RewriteRequest
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2 as pb
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2_grpc as grpc_pb
from shared.rpc.generated.idiolect.types.v1 import types_pb2 as types_pb
from shared.rpc.usage import usage_message
from shared.rpc.wire.styles import model_message, profile_of
from shared.rpc.wire.trajectories import (
    candidate_message,
    diagnosis_message,
    diagnosis_of,
    trajectory_of,
    verdict_message,
    verdict_of,
)


class OracleService(grpc_pb.OracleServiceServicer):
    """Implements `shared.rpc.server.Service`."""

    name = "oracle"
    contract = "idiolect.oracle.v1.OracleService"

    def __init__(self, core: OracleCore) -> None:
        self._core = core

    def register(self, server: aio.Server, metrics: ServiceMetrics) -> None:
        """Add the methods, and what engine and verifier tell about themselves."""
        metrics.registry.register(EngineCollector(self.name, lambda: self._core.host.state))
        metrics.registry.register(VerifierCollector(lambda: self._core.verifier.counts))
        grpc_pb.add_OracleServiceServicer_to_server(self, server)

    async def start(self, tell: Callable[[bool], None], fail: Callable[[Exception], None]) -> None:
        """Begin to load the engine."""
        await self._core.start(tell, fail)

    async def stop(self) -> None:
        """Let go of everything."""
        await self._core.stop()

    async def GetInfo(self, request: pb.GetInfoRequest, context: Any) -> pb.GetInfoResponse:
        info, weights = self._core.host.info, self._core.weights()
        return pb.GetInfoResponse(
            model=model_message(info),
            locators=[pb.WeightedLocator(name=name, weight=weight) for name, weight in weights.items()],
            rewriters=self._core.rewriters(),
            judges=info.generates,
            rewards=self._core.rewards,
            prompts=prompts(info),
        )

    async def Verify(self, request: pb.VerifyRequest, context: Any) -> pb.VerifyResponse:
        gold = request.gold if request.HasField("gold") else None
        verdict = await self._core.verify(request.model_digest, request.text, gold)
        return pb.VerifyResponse(verdict=verdict_message(verdict))

    async def Locate(self, request: pb.LocateRequest, context: Any) -> pb.LocateResponse:
        trajectory, verdict = trajectory_of(request.trajectory), verdict_of(request.verdict)
        weights = _weights(request.locators)
        diagnosis = await self._core.locate(request.model_digest, trajectory, verdict, weights)
        return pb.LocateResponse(diagnosis=diagnosis_message(diagnosis), usage=_usage())

    async def Rewrite(self, request: pb.RewriteRequest, context: Any) -> AsyncIterator[pb.RewriteResponse]:
        trajectory = trajectory_of(request.trajectory)
        asked = RewriteRequest(
            trajectory=trajectory,
            verdict=verdict_of(request.verdict),
            diagnosis=diagnosis_of(request.diagnosis, trajectory.text),
            profile=profile_of(request.profile) if request.HasField("profile") else None,
            seed=request.seed,
            examples=tuple(request.examples),
        )
        found = self._core.rewrite(request.model_digest, request.rewriter, asked)
        async with aclosing(found) as candidates:
            async for candidate in candidates:
                yield pb.RewriteResponse(candidate=candidate_message(candidate), usage=_usage())

    async def JudgeRetention(
        self, request: pb.JudgeRetentionRequest, context: Any
    ) -> pb.JudgeRetentionResponse:
        said = await self._core.judge(
            request.model_digest, request.problem, request.native, request.refined, request.seed
        )
        if said.score is None:
            raise FieldError("seed", f"made no vote that could be read ({said.reason})", "give another one")
        return pb.JudgeRetentionResponse(
            score=said.score,
            votes=len(said.votes),
            unreadable=said.unreadable,
            rationale=said.rationale,
            usage=_usage(),
        )

    async def Reward(self, request: pb.RewardRequest, context: Any) -> pb.RewardResponse:
        reward, info = await self._core.reward(request.model_digest, request.problem, request.text)
        return pb.RewardResponse(reward=reward, model=model_message(info))

    async def Sleep(self, request: pb.SleepRequest, context: Any) -> pb.SleepResponse:
        held = request.lease_id if request.HasField("lease_id") else None
        seconds = request.ttl.seconds + request.ttl.nanos / 1e9
        lease = await self._core.host.sleep(request.holder, seconds, held)
        ends = timestamp_pb2.Timestamp(seconds=int(lease.ends), nanos=int(lease.ends % 1 * 1e9))
        return pb.SleepResponse(lease_id=lease.id, expires_at=ends)

    async def Wake(self, request: pb.WakeRequest, context: Any) -> pb.WakeResponse:
        await self._core.host.wake(request.lease_id)
        return pb.WakeResponse()


def _usage() -> types_pb.Usage | None:
    """What this call has spent so far; None where that is nothing."""
    spent = spent_so_far()
    return usage_message(spent) if spent.total else None


def _weights(sent: Iterable[pb.WeightedLocator]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for place, locator in enumerate(sent):
        field = f"locators[{place}]"
        if locator.name in weights:
            raise FieldError(f"{field}.name", f"is {locator.name!r} a second time", "name each one once")
        if not 0 <= locator.weight < math.inf:
            raise FieldError(f"{field}.weight", f"is {locator.weight}", "give a finite number >= 0")
        weights[locator.name] = locator.weight
    if weights and not any(weights.values()):
        raise FieldError("locators", "lets nobody vote", "give one of them a weight above 0")
    return weights
