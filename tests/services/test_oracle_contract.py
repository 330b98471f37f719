"""What the oracle says behind a real gRPC channel: who it is, its verdicts, the first wrong step."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from oracles import (
    DUCKS,
    HOSTILE,
    NEEDS_A_WORKER,
    NEVER_DONE,
    OTHERS,
    TEXT,
    WRONG,
    Stub,
    located,
    refusal,
)
from served import ServedOracle, rules
from waiting import eventually

from services.oracle.core import OracleSettings
from services.oracle.locators import AnswerLocator, ArithmeticLocator, CombinedLocator, ReferenceLocator
from services.oracle.promptfiles import CRITIC, JUDGE, REWRITE, load_prompt
from shared.clients.oracle import OracleClient, RemoteLocator, RemoteRewriter
from shared.domain import Correctness, Trajectory, Verdict
from shared.errors import FieldError
from shared.ports import Locator, Rewriter, Verifier
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2 as pb
from shared.rpc.generated.idiolect.types.v1 import types_pb2
from shared.text.segmentation import join_steps


def figure(served: ServedOracle, line: str) -> float:
    """The value of a metric; 0 before it is there."""
    found = [shown for shown in served.metrics().splitlines() if shown.startswith(f"{line} ")]
    return float(found[0].split()[-1]) if found else 0.0


def digest_with(folder: Path, settings: OracleSettings) -> str:
    """Digest of an oracle by rules with these settings."""
    with ServedOracle(rules, folder, thinking=settings) as served, OracleClient(served.target) as client:
        return client.info.model.digest


# What is served


def test_the_client_has_the_ports_of_the_search(asker: OracleClient) -> None:
    assert isinstance(asker, Verifier)
    assert isinstance(RemoteLocator(asker), Locator)
    assert isinstance(RemoteRewriter(asker, "arithmetic"), Rewriter)


def test_rules_say_what_they_are(asker: OracleClient) -> None:
    info = asker.info
    assert (info.model.engine, info.locators, info.judges, info.rewards) == (
        "rules",
        {"combined": 1.0},
        False,
        False,
    )


def test_rules_list_their_rewriters_cheapest_first(asker: OracleClient) -> None:
    assert asker.info.rewriters == ("arithmetic", "operation", "reference_graft")


def test_rules_need_no_prompts(asker: OracleClient) -> None:
    assert asker.info.prompts == {}


def test_a_language_model_brings_critic_and_rewriter(thinker: OracleClient) -> None:
    assert thinker.info.locators == {"combined": 1.0, "critic": 1.0}
    assert thinker.info.rewriters == ("arithmetic", "operation", "oracle_rewrite", "reference_graft")


def test_prompts_are_named_with_their_digests(thinker: OracleClient) -> None:
    assert thinker.info.prompts == {name: load_prompt(name).digest for name in (CRITIC, JUDGE, REWRITE)}


@pytest.mark.parametrize("changed", OTHERS)
def test_another_setting_is_another_oracle(asker: OracleClient, tmp_path: Path, changed: str) -> None:
    assert digest_with(tmp_path, OTHERS[changed]) != asker.info.model.digest


def test_the_same_settings_are_the_same_oracle(asker: OracleClient, tmp_path: Path) -> None:
    assert digest_with(tmp_path, OracleSettings()) == asker.info.model.digest


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
    asker: OracleClient, text: str, gold: str | None, value: Correctness, reason: str | None
) -> None:
    verdict = asker.verify(text, gold)
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
    asker: OracleClient, attack: str
) -> None:
    assert asker.verify(*hostile(attack)).value is Correctness.UNDECIDED
    assert asker.verify(*NEEDS_A_WORKER).value is Correctness.CORRECT


def test_a_worker_that_runs_out_of_time_is_counted(oracle: ServedOracle, asker: OracleClient) -> None:
    names = ("idiolect_verifier_timeouts_total", "idiolect_verifier_restarts_total")
    before = [figure(oracle, name) for name in names]
    assert asker.verify(NEVER_DONE, "1").reason == "timeout"
    assert [figure(oracle, name) - was for name, was in zip(names, before, strict=True)] == [1, 1]


def test_many_verifications_are_under_way_at_once(oracle: ServedOracle, asker: OracleClient) -> None:
    line = 'idiolect_requests_in_flight{method="Verify",service="oracle"}'
    questions = [NEVER_DONE] + [f"\\boxed{{(x+{number})^2}}" for number in range(15)]
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(asker.verify, text, "x^2+2x+1") for text in questions]
        together = eventually(lambda: figure(oracle, line) == 16)
        verdicts = [one.result() for one in asked]
    assert together
    assert [verdict.value for verdict in verdicts].count(Correctness.CORRECT) == 1


# Locate


def test_steps_are_located_as_in_process(asker: OracleClient, demo: list[tuple[Trajectory, Verdict]]) -> None:
    here = CombinedLocator()
    assert [asker.locate(*one) for one in demo] == [here.locate(*one) for one in demo]


@pytest.mark.parametrize("rule", [AnswerLocator(), ArithmeticLocator(), ReferenceLocator()])
def test_one_named_locator_speaks_alone(
    asker: OracleClient, demo: list[tuple[Trajectory, Verdict]], rule: Locator
) -> None:
    there = [asker.locate(*one, weights={rule.name: 1.0}) for one in demo]
    assert there == [rule.locate(*one) for one in demo]


def test_named_locators_are_combined_by_their_weights(asker: OracleClient) -> None:
    text, cut = join_steps(["3 + 4 = 8.", "16 - 8 = 8."], "\n")
    slip = replace(DUCKS, text=text, steps=cut)
    found = asker.locate(slip, WRONG, weights={"arithmetic": 2.0, "reference": 1.0})
    assert found.first_error == 0


def test_an_unknown_locator_is_refused_by_name(asker: OracleClient) -> None:
    with pytest.raises(FieldError, match="'prm', which is not served"):
        asker.locate(DUCKS, WRONG, weights={"arithmetic": 1.0, "prm": 1.0})


@pytest.mark.parametrize("weights", [{"arithmetic": -1.0}, {"arithmetic": math.nan}, {"arithmetic": 0.0}])
def test_weights_that_weigh_nothing_are_refused(asker: OracleClient, weights: dict[str, float]) -> None:
    with pytest.raises(FieldError, match="locators"):
        asker.locate(DUCKS, WRONG, weights=weights)


def test_a_locator_named_twice_is_refused(oracle_stub: Stub, asker: OracleClient) -> None:
    twice = [pb.WeightedLocator(name="arithmetic", weight=weight) for weight in (1, 2)]
    error = refusal(lambda: oracle_stub.Locate(located(asker.info.model.digest, locators=twice)))
    assert error.details().startswith("locators[1].name: ")


def test_the_critic_votes_beside_the_rules(thinker: OracleClient) -> None:
    found = thinker.locate(DUCKS, WRONG)
    assert (found.first_error, "critic" in {one.source for one in found.findings}) == (1, True)


def with_steps(*spans: tuple[int, int]) -> types_pb2.Trajectory:
    steps = [types_pb2.Span(start=start, end=end) for start, end in spans]
    return types_pb2.Trajectory(text=TEXT, steps=steps)


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
    oracle_stub: Stub, asker: OracleClient, parts: dict[str, Any], field: str
) -> None:
    error = refusal(lambda: oracle_stub.Locate(located(asker.info.model.digest, **parts)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith(f"{field}: ")
