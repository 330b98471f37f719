"""What the oracle keeps behind a real gRPC channel: by rules, with a language model, with a reward model."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import pytest
from canned import CannedModel
from google.protobuf import duration_pb2
from reward_models import save_reward_model
from served import ServedOracle, rules
from waiting import eventually

from services.inference.base import LanguageModel
from services.inference.rewards.transformers import TransformersReward
from services.oracle.core import OracleSettings
from services.oracle.locators import AnswerLocator, ArithmeticLocator, CombinedLocator, ReferenceLocator
from services.oracle.promptfiles import CRITIC, JUDGE, REWRITE, load_prompt
from services.oracle.rewriters.arithmetic import Arithmetic
from services.oracle.rewriters.operation import Operation
from services.oracle.rewriters.oracle_rewrite import RewriteSettings
from services.oracle.rewriters.reference_graft import ReferenceGraft
from services.oracle.structured import VoteSettings
from services.oracle.verifier.limits import Limits
from shared.clients.oracle import OracleClient, RemoteLocator, RemoteRewriter
from shared.domain import Correctness, Diagnosis, Problem, Sample, Trajectory, Verdict
from shared.errors import FieldError, MismatchError, UnsupportedError
from shared.ports import Locator, Rewriter, RewriteRequest, Verifier
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2 as pb
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2_grpc as grpc_pb
from shared.rpc.generated.idiolect.types.v1 import types_pb2
from shared.rpc.wire.trajectories import diagnosis_message, trajectory_message, verdict_message
from shared.shapes import read_trajectories
from shared.text.segmentation import join_steps

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "demo" / "gpt3_6b.jsonl"
HOSTILE = ROOT / "tests" / "data" / "verifier" / "hostile.jsonl"
NEEDS_A_WORKER = ("so it is \\boxed{(x+1)^2}", "x^2+2x+1")
NEVER_DONE = "\\boxed{\\sum_{n=1}^{10^{12}} n^{n}}"
WRONG = Verdict(Correctness.INCORRECT, None, "26")
TEXT, CUT = join_steps(["She uses 3 + 4 = 7.", "That leaves 16 - 3 = 13.", "13 * 2 = $26."], "\n")
DUCKS = Trajectory(
    "t", 1, Problem("Ducks lay 16 eggs, 3 are eaten, 4 baked, each $2.", "18"), TEXT, CUT, "\n"
)
REQUEST = RewriteRequest(DUCKS, WRONG, Diagnosis(1, 0.9), None, 3)
RULES: dict[str, Rewriter] = {
    "arithmetic": Arithmetic(),
    "operation": Operation(),
    "reference_graft": ReferenceGraft(),
}
Stub = grpc_pb.OracleServiceStub


def thinking(text: str, index: int) -> str:
    """The answer in the form that the prompt asks for."""
    answers: dict[str, dict[str, Any]] = {
        "evidence": {"evidence": "16 - 3 forgets the 4", "first_wrong_step": 1},
        "rationale": {"rationale": "one step differs", "retention": 4},
        "step": {"step": f"That leaves 16 - 7 = 9, try {index}."},
    }
    return json.dumps(answers[next(name for name in answers if f'{{"{name}"' in text)])


def canned(answer: Callable[[str, int], str] = thinking) -> Callable[[], Any]:
    async def make() -> LanguageModel:
        return CannedModel(answer)

    return make


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOracle]:
    """Rules alone."""
    with ServedOracle(rules, tmp_path_factory.mktemp("rules"), limits=Limits(seconds=1.0)) as served:
        yield served


@pytest.fixture(scope="module")
def client(oracle: ServedOracle) -> Iterator[OracleClient]:
    with OracleClient(oracle.target) as connected:
        yield connected


@pytest.fixture(scope="module")
def stub(oracle: ServedOracle) -> Iterator[Stub]:
    """A bare stub, for what the client would not send."""
    with grpc.insecure_channel(oracle.address) as channel:
        yield Stub(channel)


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OracleClient]:
    """An oracle with a language model."""
    with (
        ServedOracle(canned(), tmp_path_factory.mktemp("canned")) as served,
        OracleClient(served.target) as connected,
    ):
        yield connected


@pytest.fixture(scope="module")
def demo(client: OracleClient) -> list[tuple[Trajectory, Verdict]]:
    """Real solutions, among them some for each rewriter, and the verdicts on them."""
    with DEMO.open("rb") as stream:
        read = [item for item in islice(read_trajectories(stream), 50, 90) if isinstance(item, Trajectory)]
    return [(item, client.verify(item.text, item.problem.gold)) for item in read]


def figure(served: ServedOracle, line: str) -> float:
    """The value of a metric; 0 before it is there."""
    found = [shown for shown in served.metrics().splitlines() if shown.startswith(f"{line} ")]
    return float(found[0].split()[-1]) if found else 0.0


def refusal(call: Callable[[], object]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def digest_with(folder: Path, settings: OracleSettings) -> str:
    """Digest of an oracle by rules with these settings."""
    with ServedOracle(rules, folder, thinking=settings) as served, OracleClient(served.target) as client:
        return client.info.model.digest


# What is served


def test_the_client_has_the_ports_of_the_search(client: OracleClient) -> None:
    assert isinstance(client, Verifier)
    assert isinstance(RemoteLocator(client), Locator)
    assert isinstance(RemoteRewriter(client, "arithmetic"), Rewriter)


def test_rules_say_what_they_are(client: OracleClient) -> None:
    info = client.info
    assert (info.model.engine, info.locators, info.judges, info.rewards) == (
        "rules",
        {"combined": 1.0},
        False,
        False,
    )


def test_rules_list_their_rewriters_cheapest_first(client: OracleClient) -> None:
    assert client.info.rewriters == ("arithmetic", "operation", "reference_graft")


def test_rules_need_no_prompts(client: OracleClient) -> None:
    assert client.info.prompts == {}


def test_a_language_model_brings_critic_and_rewriter(thinker: OracleClient) -> None:
    assert thinker.info.locators == {"combined": 1.0, "critic": 1.0}
    assert thinker.info.rewriters == ("arithmetic", "operation", "oracle_rewrite", "reference_graft")


def test_prompts_are_named_with_their_digests(thinker: OracleClient) -> None:
    assert thinker.info.prompts == {name: load_prompt(name).digest for name in (CRITIC, JUDGE, REWRITE)}


OTHERS = {
    "weights": OracleSettings(weights={"arithmetic": 1.0}),
    "votes": OracleSettings(votes=VoteSettings(votes=3)),
    "rewrite": OracleSettings(rewrite=RewriteSettings(n=2)),
    "threshold": OracleSettings(threshold=0.4),
}


@pytest.mark.parametrize("changed", OTHERS)
def test_another_setting_is_another_oracle(client: OracleClient, tmp_path: Path, changed: str) -> None:
    assert digest_with(tmp_path, OTHERS[changed]) != client.info.model.digest


def test_the_same_settings_are_the_same_oracle(client: OracleClient, tmp_path: Path) -> None:
    assert digest_with(tmp_path, OracleSettings()) == client.info.model.digest


# Verify


@pytest.mark.parametrize(
    ("text", "gold", "value", "reason"),
    [
        ("3 + 4 = 7. The answer is 7.", "7", Correctness.CORRECT, None),
        ("3 + 4 = 8. The answer is 8.", "7", Correctness.INCORRECT, None),
        ("3 + 4 = 7.", None, Correctness.UNDECIDED, "no_gold"),
        ("3 + 4 = 7.", "", Correctness.UNDECIDED, "no_gold"),
        (*NEEDS_A_WORKER, Correctness.CORRECT, None),
        (" ", "7", Correctness.INCORRECT, "no_answer"),
    ],
)
def test_an_answer_has_its_verdict(
    client: OracleClient, text: str, gold: str | None, value: Correctness, reason: str | None
) -> None:
    verdict = client.verify(text, gold)
    assert (verdict.value, reason in (None, verdict.reason)) == (value, True)


def hostile(wanted: str) -> tuple[str, str]:
    """Text and gold of one attack."""
    for line in HOSTILE.read_text("utf-8").splitlines():
        attack = json.loads(line)
        if attack["what"] == wanted:
            return attack["text"], attack["gold"]
    raise LookupError(wanted)


@pytest.mark.parametrize("attack", ["sum of a trillion terms", "determinant of symbols"])
def test_hostile_text_is_undecided_and_the_next_question_is_answered(
    client: OracleClient, attack: str
) -> None:
    assert client.verify(*hostile(attack)).value is Correctness.UNDECIDED
    assert client.verify(*NEEDS_A_WORKER).value is Correctness.CORRECT


def test_a_worker_that_runs_out_of_time_is_counted(oracle: ServedOracle, client: OracleClient) -> None:
    names = ("idiolect_verifier_timeouts_total", "idiolect_verifier_restarts_total")
    before = [figure(oracle, name) for name in names]
    assert client.verify(NEVER_DONE, "1").reason == "timeout"
    assert [figure(oracle, name) - was for name, was in zip(names, before, strict=True)] == [1, 1]


def test_many_verifications_are_under_way_at_once(oracle: ServedOracle, client: OracleClient) -> None:
    line = 'idiolect_requests_in_flight{method="Verify",service="oracle"}'
    questions = [NEVER_DONE] + [f"\\boxed{{(x+{number})^2}}" for number in range(15)]
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(client.verify, text, "x^2+2x+1") for text in questions]
        together = eventually(lambda: figure(oracle, line) == 16)
        verdicts = [one.result() for one in asked]
    assert together
    assert [verdict.value for verdict in verdicts].count(Correctness.CORRECT) == 1


# Locate


def test_steps_are_located_as_in_process(
    client: OracleClient, demo: list[tuple[Trajectory, Verdict]]
) -> None:
    here = CombinedLocator()
    assert [client.locate(*one) for one in demo] == [here.locate(*one) for one in demo]


@pytest.mark.parametrize("rule", [AnswerLocator(), ArithmeticLocator(), ReferenceLocator()])
def test_one_named_locator_speaks_alone(
    client: OracleClient, demo: list[tuple[Trajectory, Verdict]], rule: Locator
) -> None:
    there = [client.locate(*one, weights={rule.name: 1.0}) for one in demo]
    assert there == [rule.locate(*one) for one in demo]


def test_named_locators_are_combined_by_their_weights(client: OracleClient) -> None:
    text, cut = join_steps(["3 + 4 = 8.", "16 - 8 = 8."], "\n")
    slip = replace(DUCKS, text=text, steps=cut)
    found = client.locate(slip, WRONG, weights={"arithmetic": 2.0, "reference": 1.0})
    assert found.first_error == 0


def test_an_unknown_locator_is_refused_by_name(client: OracleClient) -> None:
    with pytest.raises(FieldError, match="'prm', which is not served"):
        client.locate(DUCKS, WRONG, weights={"arithmetic": 1.0, "prm": 1.0})


@pytest.mark.parametrize("weights", [{"arithmetic": -1.0}, {"arithmetic": math.nan}, {"arithmetic": 0.0}])
def test_weights_that_weigh_nothing_are_refused(client: OracleClient, weights: dict[str, float]) -> None:
    with pytest.raises(FieldError, match="locators"):
        client.locate(DUCKS, WRONG, weights=weights)


def test_a_locator_named_twice_is_refused(stub: Stub, client: OracleClient) -> None:
    twice = [pb.WeightedLocator(name="arithmetic", weight=weight) for weight in (1, 2)]
    error = refusal(lambda: stub.Locate(located(client.info.model.digest, locators=twice)))
    assert error.details().startswith("locators[1].name: ")


def test_the_critic_votes_beside_the_rules(thinker: OracleClient) -> None:
    found = thinker.locate(DUCKS, WRONG)
    assert (found.first_error, "critic" in {one.source for one in found.findings}) == (1, True)


def located(digest: str, **parts: Any) -> pb.LocateRequest:
    whole = {"trajectory": trajectory_message(DUCKS), "verdict": verdict_message(WRONG), **parts}
    return pb.LocateRequest(model_digest=digest, **whole)


def with_steps(*spans: tuple[int, int]) -> types_pb2.Trajectory:
    steps = [types_pb2.Span(start=start, end=end) for start, end in spans]
    return types_pb2.Trajectory(text=TEXT, steps=steps)


def with_finding(start: int, end: int) -> types_pb2.Diagnosis:
    span = types_pb2.Span(start=start, end=end)
    return types_pb2.Diagnosis(findings=[types_pb2.Finding(), types_pb2.Finding(span=span)])


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"trajectory": with_steps((0, len(TEXT) + 1))}, "trajectory.steps[0]"),
        ({"trajectory": with_steps((0, 5), (9, 8))}, "trajectory.steps[1]"),
        ({"trajectory": with_steps((0, 5), (4, 8))}, "trajectory.steps[1]"),
        ({"verdict": types_pb2.Verdict()}, "verdict.value"),
    ],
)
def test_what_is_no_range_of_the_text_is_refused_by_field(
    stub: Stub, client: OracleClient, parts: dict[str, Any], field: str
) -> None:
    error = refusal(lambda: stub.Locate(located(client.info.model.digest, **parts)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith(f"{field}: ")


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
    client: OracleClient, demo: list[tuple[Trajectory, Verdict]], name: str
) -> None:
    here = CombinedLocator()
    asked = [RewriteRequest(one, said, here.locate(one, said), None, 3) for one, said in demo]
    there = [list(client.rewrite(name, request)) for request in asked]
    assert there == [list(RULES[name].propose(request)) for request in asked]
    assert any(there)


def test_an_unknown_rewriter_is_refused_by_name(client: OracleClient) -> None:
    with pytest.raises(FieldError, match="'oracle_rewrite' is not served"):
        list(client.rewrite("oracle_rewrite", REQUEST))


def test_a_finding_beyond_the_text_is_refused_by_field(stub: Stub, client: OracleClient) -> None:
    beyond = with_finding(0, len(TEXT) + 1)
    error = refusal(lambda: list(stub.Rewrite(rewritten(client.info.model.digest, diagnosis=beyond))))
    assert error.details().startswith("diagnosis.findings[1].span: ")


def test_a_profile_without_a_band_is_refused_by_field(stub: Stub, client: OracleClient) -> None:
    profile = types_pb2.StudentProfile(name="p", band=[1.0])
    error = refusal(lambda: list(stub.Rewrite(rewritten(client.info.model.digest, profile=profile))))
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
def test_another_oracle_than_expected_is_refused(stub: Stub, method: str) -> None:
    assert refusal(calls(stub, "0" * 64)[method]).code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_a_digest_is_refused(stub: Stub, method: str) -> None:
    error = refusal(calls(stub, "")[method])
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
def test_what_rules_can_not_do_is_unimplemented(stub: Stub, client: OracleClient, method: str) -> None:
    error = refusal(calls(stub, client.info.model.digest)[method])
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_client_says_what_is_missing(client: OracleClient) -> None:
    with pytest.raises(UnsupportedError, match="language model"):
        client.judge_retention("problem", "native", "refined")


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


def test_a_reward_model_is_part_of_the_oracle(rewarding: OracleClient, client: OracleClient) -> None:
    assert rewarding.info.model.digest != client.info.model.digest


# Sleep


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
