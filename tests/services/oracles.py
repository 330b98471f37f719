"""What the tests of the oracle ask, and the oracles that they ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from canned import CannedModel

from services.inference.base import LanguageModel
from services.oracle.core import OracleSettings
from services.oracle.rewriters.arithmetic import Arithmetic
from services.oracle.rewriters.operation import Operation
from services.oracle.rewriters.oracle_rewrite import RewriteSettings
from services.oracle.rewriters.reference_graft import ReferenceGraft
from services.oracle.structured import VoteSettings
from shared.domain import Correctness, Diagnosis, Problem, Trajectory, Verdict
from shared.ports import Rewriter, RewriteRequest
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2 as pb
from shared.rpc.generated.idiolect.oracle.v1 import oracle_pb2_grpc as grpc_pb
from shared.rpc.wire.trajectories import trajectory_message, verdict_message
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


def refusal(call: Callable[[], object]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def located(digest: str, **parts: Any) -> pb.LocateRequest:
    whole = {"trajectory": trajectory_message(DUCKS), "verdict": verdict_message(WRONG), **parts}
    return pb.LocateRequest(model_digest=digest, **whole)


OTHERS = {
    "weights": OracleSettings(weights={"arithmetic": 1.0}),
    "votes": OracleSettings(votes=VoteSettings(votes=3)),
    "rewrite": OracleSettings(rewrite=RewriteSettings(n=2)),
    "threshold": OracleSettings(threshold=0.4),
}
