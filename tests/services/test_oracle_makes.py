"""What the oracle makes behind a real gRPC channel: candidates, judgements, rewards; and whom it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from canned import CannedModel
from google.protobuf import duration_pb2
from oracles import (
    DUCKS,
    OTHERS,
    REQUEST,
    RULES,
    TEXT,
    WRONG,
    Stub,
    canned,
    located,
    refusal,
    thinking,
)
from reward_models import save_reward_model
from served import ServedOracle, rules
from waiting import eventually

from services.inference.base import LanguageModel
from services.inference.rewards.transformers import TransformersReward
from services.oracle.locators import CombinedLocator
from shared.clients.oracle import OracleClient
from shared.domain import Sample, Trajectory, Verdict
from shared.errors import FieldError, MismatchError, UnsupportedError
from shared.ports import RewriteRequest
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2 as pb
from shared.rpc.generated.idiolect.types.v1 import types_pb2
from shared.rpc.wire.trajectories import diagnosis_message, trajectory_message, verdict_message


def with_finding(start: int, end: int) -> types_pb2.Diagnosis:
    span = types_pb2.Span(start=start, end=end)
    return types_pb2.Diagnosis(findings=[types_pb2.Finding(), types_pb2.Finding(span=span)])


# Rewrite


def rewritten(digest: str, **parts: Any) -> pb.RewriteRequest:
    whole = {
        "trajectory": trajectory_message(DUCKS),
        "verdict": verdict_message(WRONG),
        "diagnosis": diagnosis_message(REQUEST.diagnosis),
        "rewriter": "arithmetic",
        **parts,
    }
    return pb.RewriteRequest(model_digest=digest, **whole)


@pytest.mark.parametrize("name", RULES)
def test_candidates_are_those_of_the_process_in_their_order(
    asker: OracleClient, demo: list[tuple[Trajectory, Verdict]], name: str
) -> None:
    here = CombinedLocator()
    asked = [RewriteRequest(one, said, here.locate(one, said), None, 3) for one, said in demo]
    there = [list(asker.rewrite(name, request)) for request in asked]
    assert there == [list(RULES[name].propose(request)) for request in asked]
    assert any(there)


def test_an_unknown_rewriter_is_refused_by_name(asker: OracleClient) -> None:
    with pytest.raises(FieldError, match="'oracle_rewrite' is not served"):
        list(asker.rewrite("oracle_rewrite", REQUEST))


def test_a_finding_beyond_the_text_is_refused_by_field(oracle_stub: Stub, asker: OracleClient) -> None:
    beyond = with_finding(0, len(TEXT) + 1)
    error = refusal(lambda: list(oracle_stub.Rewrite(rewritten(asker.info.model.digest, diagnosis=beyond))))
    assert error.details().startswith("diagnosis.findings[1].span: ")


def test_a_profile_without_a_band_is_refused_by_field(oracle_stub: Stub, asker: OracleClient) -> None:
    profile = types_pb2.StudentProfile(name="p", band=[1.0])
    error = refusal(lambda: list(oracle_stub.Rewrite(rewritten(asker.info.model.digest, profile=profile))))
    assert error.details().startswith("profile.band: ")


def test_a_model_rewrites_the_wrong_step(thinker: OracleClient) -> None:
    found = list(thinker.rewrite("oracle_rewrite", REQUEST))
    assert [one.edits[0].after for one in found] == [
        f"That leaves 16 - 7 = 9, try {index}." for index in range(4)
    ]


class Unending(CannedModel):
    """Answers once, and thinks for ever about the rest."""

    async def sample(self, prompt: Any, sampling: Any) -> AsyncIterator[Sample]:
        samples = super().sample(prompt, sampling)
        try:
            yield await anext(samples)
            await asyncio.Event().wait()
        finally:
            await samples.aclose()


async def unending() -> LanguageModel:
    return Unending(thinking)


def test_closing_the_stream_ends_the_work(tmp_path: Path) -> None:
    with ServedOracle(unending, tmp_path) as served, OracleClient(served.target) as client:
        candidates = client.rewrite("oracle_rewrite", REQUEST)
        next(candidates)
        assert served.model.figures.running == 3
        candidates.close()
        assert eventually(lambda: served.model.figures.running == 0)
        assert served.model.written == 1


def test_a_deadline_ends_the_work(tmp_path: Path) -> None:
    with ServedOracle(unending, tmp_path) as served, grpc.insecure_channel(served.address) as channel:
        bare = Stub(channel)
        digest = bare.GetInfo(pb.GetInfoRequest()).model.digest
        asked = rewritten(digest, rewriter="oracle_rewrite")
        error = refusal(lambda: list(bare.Rewrite(asked, timeout=0.5)))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert eventually(lambda: served.model.figures.running == 0)


# Digests


def calls(stub: Stub, digest: str) -> dict[str, Callable[[], object]]:
    """Every method that expects an oracle, asked by that digest."""
    return {
        "Verify": lambda: stub.Verify(pb.VerifyRequest(model_digest=digest, text="7", gold="7")),
        "Locate": lambda: stub.Locate(located(digest)),
        "Rewrite": lambda: list(stub.Rewrite(rewritten(digest))),
        "JudgeRetention": lambda: stub.JudgeRetention(pb.JudgeRetentionRequest(model_digest=digest)),
        "Reward": lambda: stub.Reward(pb.RewardRequest(model_digest=digest)),
    }


METHODS = ("Verify", "Locate", "Rewrite", "JudgeRetention", "Reward")


@pytest.mark.parametrize("method", METHODS)
def test_another_oracle_than_expected_is_refused(oracle_stub: Stub, method: str) -> None:
    assert refusal(calls(oracle_stub, "0" * 64)[method]).code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_a_digest_is_refused(oracle_stub: Stub, method: str) -> None:
    error = refusal(calls(oracle_stub, "")[method])
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("model_digest: ")


def test_a_client_never_mixes_two_oracles(tmp_path: Path, oracle: ServedOracle) -> None:
    with (
        ServedOracle(rules, tmp_path, thinking=OTHERS["weights"]) as other,
        OracleClient(other.target) as client,
    ):
        client._info = replace(client.info, model=replace(client.info.model, digest=served_digest(oracle)))
        with pytest.raises(MismatchError):
            client.verify("7", "7")


def served_digest(served: ServedOracle) -> str:
    with OracleClient(served.target) as client:
        return client.info.model.digest


# Judge and reward


@pytest.mark.parametrize("method", ["JudgeRetention", "Reward"])
def test_what_rules_can_not_do_is_unimplemented(oracle_stub: Stub, asker: OracleClient, method: str) -> None:
    error = refusal(calls(oracle_stub, asker.info.model.digest)[method])
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_client_says_what_is_missing(asker: OracleClient) -> None:
    with pytest.raises(UnsupportedError, match="language model"):
        asker.judge_retention("problem", "native", "refined")


def test_retention_is_the_mean_vote(thinker: OracleClient) -> None:
    said = thinker.judge_retention("problem", "native", "refined")
    assert (said.score, said.votes, said.unreadable, said.rationale) == (4.0, 5, 0, "one step differs")


def test_the_seed_of_a_judgement_reaches_the_model(tmp_path: Path) -> None:
    with ServedOracle(canned(), tmp_path) as served, OracleClient(served.target) as client:
        for seed in (1, 1, 2):
            client.judge_retention("problem", "native", "refined", seed)
        seeds = [sampling.seed for _, sampling in served.model.asked]
    assert (seeds[0] == seeds[1], seeds[0] == seeds[2]) == (True, False)


def test_votes_that_can_not_be_read_are_asked_for_once(tmp_path: Path) -> None:
    babble = canned(lambda text, index: "four, I guess")
    with ServedOracle(babble, tmp_path) as served, OracleClient(served.target) as client:
        with pytest.raises(FieldError, match="seed"):
            client.judge_retention("problem", "native", "refined")
        assert len(served.model.asked) == 1


@pytest.fixture(scope="module")
def rewarding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OracleClient]:
    """An oracle with a small random reward model of whole solutions."""
    folder = save_reward_model(tmp_path_factory.mktemp("reward"), "llama", "SequenceClassification", 1)
    reward = TransformersReward.load(folder, threads=1)
    with (
        ServedOracle(rules, tmp_path_factory.mktemp("rewarding"), reward_model=reward) as served,
        OracleClient(served.target) as connected,
    ):
        yield connected


def test_a_solution_has_its_reward(rewarding: OracleClient) -> None:
    first, again, other = (rewarding.reward("1 + 1?", text) for text in ("2", "2", "It is 3."))
    assert (first == again, first == other, rewarding.info.rewards) == (True, False, True)


def test_a_reward_model_is_part_of_the_oracle(rewarding: OracleClient, asker: OracleClient) -> None:
    assert rewarding.info.model.digest != asker.info.model.digest


# Sleep


def test_a_reward_model_sleeps_with_its_oracle_and_grades_as_before(rewarding: OracleClient) -> None:
    before = rewarding.reward("1 + 1?", "2")
    rewarding.wake(rewarding.sleep("the trainer", timedelta(minutes=1)))
    assert rewarding.reward("1 + 1?", "2") == before


def test_an_oracle_that_sleeps_is_busy_and_wakes_when_told(tmp_path: Path) -> None:
    with ServedOracle(canned(), tmp_path) as served, OracleClient(served.target) as client:
        lease = client.sleep("the trainer", timedelta(minutes=1))
        busy = refusal(lambda: asleep(served, client.info.model.digest))
        client.wake(lease)
        assert busy.code() is grpc.StatusCode.UNAVAILABLE
        assert client.locate(DUCKS, WRONG).first_error == 1


def asleep(served: ServedOracle, digest: str) -> object:
    """One call without retries."""
    with grpc.insecure_channel(served.address) as channel:
        return Stub(channel).Locate(located(digest))


def test_an_oracle_wakes_by_itself_when_its_lease_ends(tmp_path: Path) -> None:
    with ServedOracle(canned(), tmp_path) as served, OracleClient(served.target) as client:
        client.sleep("the trainer", timedelta(seconds=0.2))
        assert eventually(lambda: served.host.state.up)
        assert client.judge_retention("problem", "native", "refined").score == 4.0


def test_a_second_holder_is_told_who_has_it(tmp_path: Path) -> None:
    with (
        ServedOracle(rules, tmp_path) as served,
        OracleClient(served.target) as client,
        grpc.insecure_channel(served.address) as channel,
    ):
        client.sleep("the trainer", timedelta(minutes=1))
        again = pb.SleepRequest(holder="another", ttl=duration_pb2.Duration(seconds=1))
        assert "the trainer" in refusal(lambda: Stub(channel).Sleep(again)).details()
