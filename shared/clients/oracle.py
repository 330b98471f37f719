"""The oracle over gRPC, as the ports that the search is written against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import grpc
from google.protobuf import duration_pb2

from shared.clients.connection import ServiceClient, countable, sendable
from shared.domain import Candidate, Diagnosis, ModelInfo, Trajectory, Verdict
from shared.metering import Usage, spend
from shared.ports import RewriteRequest
from shared.rpc.channel import Target
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2 as pb
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2_grpc as grpc_pb
from shared.rpc.usage import trailing_usage, usage_of
from shared.rpc.wire.styles import model_of, profile_message
from shared.rpc.wire.trajectories import (
    candidate_of,
    diagnosis_message,
    diagnosis_of,
    trajectory_message,
    verdict_message,
    verdict_of,
)

CONTRACT = pb.DESCRIPTOR.services_by_name["OracleService"].full_name
QUICK_SECONDS = 120.0
SLOW_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class OracleInfo:
    """What an oracle serves.

    Attributes:
        model: its language model, or the engine ``rules``.
        locators: names and weights of the locators that it combines.
        rewriters: names, cheapest first.
        judges, rewards: whether it can judge retention, and has a reward model.
        prompts: digests of its prompt files by name.
    """

    model: ModelInfo
    locators: Mapping[str, float]
    rewriters: tuple[str, ...]
    judges: bool
    rewards: bool
    prompts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Retention:
    """Semantic retention: mean score from 1 to 5, votes that count and that don't, and why."""

    score: float
    votes: int
    unreadable: int
    rationale: str


class OracleClient(ServiceClient[grpc_pb.OracleServiceStub]):
    """Every method of the oracle service; safe to use from several threads, and after a fork.

    What is served is asked for once, and every call names it: if another oracle is served later, calls raise
    MismatchError. What the oracle's language model reads and writes for a call goes to the caller's meter
    (`shared.metering`), also where the call fails; a stream that is closed early counts up to its last
    candidate.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target, grpc_pb.OracleServiceStub, CONTRACT)
        self._info: OracleInfo | None = None

    @property
    def info(self) -> OracleInfo:
        """What was served when this client first asked."""
        return self.told_within(QUICK_SECONDS)

    def told_within(self, seconds: float) -> OracleInfo:
        """The same, from an oracle that must say it within that time. UnavailableError where it doesn't."""
        if self._info is None:
            with self._connection.translated("GetInfo") as metadata:
                found = self._connection.stub.GetInfo(pb.GetInfoRequest(), timeout=seconds, metadata=metadata)
            self._info = _info(found)
        return self._info

    @property
    def thinks(self) -> bool:
        """Whether it is known to think with a language model; asks nobody."""
        return self._info is not None and self._info.judges

    @property
    def _digest(self) -> str:
        return self.info.model.digest

    def verify(self, text: str, gold: str | None) -> Verdict:
        """Verdict on the final answer of a whole solution (`shared.ports.Verifier`)."""
        asked = pb.VerifyRequest(
            model_digest=self._digest,
            text=sendable("text", text),
            gold=None if gold is None else sendable("gold", gold),
        )
        with self._connection.translated("Verify") as metadata:
            said = self._connection.stub.Verify(asked, timeout=QUICK_SECONDS, metadata=metadata)
        return verdict_of(said.verdict)

    def locate(
        self, trajectory: Trajectory, verdict: Verdict, weights: Mapping[str, float] | None = None
    ) -> Diagnosis:
        """First wrong step; by the oracle's own locators, or by those of `weights`."""
        chosen = [pb.WeightedLocator(name=name, weight=weight) for name, weight in (weights or {}).items()]
        asked = pb.LocateRequest(
            model_digest=self._digest,
            trajectory=trajectory_message(trajectory),
            verdict=verdict_message(verdict),
            locators=chosen,
        )
        with self._connection.translated("Locate") as metadata, _counted():
            said = self._connection.stub.Locate(asked, timeout=SLOW_SECONDS, metadata=metadata)
        spend(usage_of(said.usage))
        return diagnosis_of(said.diagnosis)

    def rewrite(self, rewriter: str, request: RewriteRequest) -> Iterator[Candidate]:
        """Candidates as they are found; closing the iterator ends the work on further ones."""
        asked = pb.RewriteRequest(
            model_digest=self._digest,
            rewriter=rewriter,
            trajectory=trajectory_message(request.trajectory),
            verdict=verdict_message(request.verdict),
            diagnosis=diagnosis_message(request.diagnosis),
            profile=None if request.profile is None else profile_message(request.profile),
            seed=countable("seed", request.seed, 1 << 63),
            examples=request.examples,
        )
        with self._connection.translated("Rewrite") as metadata:
            answers = self._connection.stub.Rewrite(asked, timeout=SLOW_SECONDS, metadata=metadata)
            told = Usage()
            try:
                for answer in answers:
                    told = _spend_beyond(told, usage_of(answer.usage))
                    yield candidate_of(answer.candidate)
                _spend_beyond(told, trailing_usage(answers.trailing_metadata()))
            except grpc.RpcError as failed:
                _spend_beyond(told, _usage_of_failed(failed))
                raise
            finally:
                answers.cancel()

    def judge_retention(self, problem: str, native: str, refined: str, seed: int = 0) -> Retention:
        """How much of the native meaning a refined text keeps."""
        asked = pb.JudgeRetentionRequest(
            model_digest=self._digest,
            problem=sendable("problem", problem),
            native=sendable("native", native),
            refined=sendable("refined", refined),
            seed=countable("seed", seed, 1 << 63),
        )
        with self._connection.translated("JudgeRetention") as metadata, _counted():
            said = self._connection.stub.JudgeRetention(asked, timeout=SLOW_SECONDS, metadata=metadata)
        spend(usage_of(said.usage))
        return Retention(said.score, said.votes, said.unreadable, said.rationale)

    def reward(self, problem: str, text: str) -> float:
        """Reward of a solution under the reward model; higher is better."""
        asked = pb.RewardRequest(
            model_digest=self._digest,
            problem=sendable("problem", problem),
            text=sendable("text", text),
        )
        with self._connection.translated("Reward") as metadata:
            said = self._connection.stub.Reward(asked, timeout=SLOW_SECONDS, metadata=metadata)
        return said.reward

    def sleep(self, holder: str, ttl: timedelta, lease_id: str | None = None) -> str:
        """Give the accelerator back for at most `ttl`; the id of the lease."""
        span = duration_pb2.Duration()
        span.FromTimedelta(ttl)
        asked = pb.SleepRequest(holder=holder, ttl=span, lease_id=lease_id)
        with self._connection.translated("Sleep") as metadata:
            lease = self._connection.stub.Sleep(asked, timeout=SLOW_SECONDS, metadata=metadata)
        return lease.lease_id

    def wake(self, lease_id: str) -> None:
        """End a lease."""
        with self._connection.translated("Wake") as metadata:
            self._connection.stub.Wake(
                pb.WakeRequest(lease_id=lease_id), timeout=SLOW_SECONDS, metadata=metadata
            )


def _info(found: pb.GetInfoResponse) -> OracleInfo:
    return OracleInfo(
        model=model_of(found.model),
        locators={locator.name: locator.weight for locator in found.locators},
        rewriters=tuple(found.rewriters),
        judges=found.judges,
        rewards=found.rewards,
        prompts=dict(found.prompts),
    )


@contextmanager
def _counted() -> Iterator[None]:
    """A call that fails has spent what its trailing metadata say."""
    try:
        yield
    except grpc.RpcError as failed:
        spend(_usage_of_failed(failed))
        raise


def _usage_of_failed(failed: grpc.RpcError) -> Usage:
    return trailing_usage(failed.trailing_metadata())


def _spend_beyond(told: Usage, now: Usage) -> Usage:
    """Spend what came since the call told last; a call that is closed early tells no more."""
    if now.total <= told.total:
        return told
    spend(now - told)
    return now


@dataclass(frozen=True, slots=True)
class RemoteLocator:
    """Implements `shared.ports.Locator`: the oracle's own combination, or that of `weights`."""

    client: OracleClient
    weights: Mapping[str, float] = field(default_factory=dict)
    name: str = "oracle"

    def locate(self, trajectory: Trajectory, verdict: Verdict) -> Diagnosis:
        """Diagnosis of the trajectory, given the verdict on its final answer."""
        return self.client.locate(trajectory, verdict, self.weights)


@dataclass(frozen=True, slots=True)
class RemoteRewriter:
    """Implements `shared.ports.Rewriter`: one of the oracle's rewriters."""

    client: OracleClient
    name: str

    def propose(self, request: RewriteRequest) -> Iterator[Candidate]:
        """Candidates, smallest change first."""
        return self.client.rewrite(self.name, request)
