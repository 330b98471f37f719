"""What the model's parts give, judged by the parts that the search already has."""

import asyncio
import json
from pathlib import Path

from canned import CannedModel

from services.oracle.locators import CombinedLocator
from services.oracle.locators.evaluation import labelled, located, located_by_service
from services.oracle.rewriters.oracle_rewrite import OracleRewrite, RewriteSettings
from services.oracle.threaded import ThreadedLocator
from services.oracle.verifier import SandboxedVerifier
from services.pipeline.refinement.acceptance import Acceptance, Accepted
from shared.domain import Correctness, Problem, Trajectory, Verdict
from shared.ports import RewriteRequest
from shared.text.segmentation import segment

LABELLED = Path(__file__).parents[1] / "data" / "locators" / "labelled.jsonl"
TEXT = "She uses 3 + 4 = 7 eggs.\nThat leaves 16 - 3 = 13 eggs.\nShe earns 13 * 2 = $26."
DUCKS = Trajectory(
    "t",
    1,
    Problem("Ducks lay 16 eggs. She eats 3 and bakes with 4. She sells the rest for $2 each.", "18"),
    TEXT,
    segment(TEXT),
)


def judged(step):
    """What the acceptance tests say about a solution whose first wrong step a model has rewritten so."""
    model = CannedModel(lambda *_: json.dumps({"step": step}))
    rewriter = OracleRewrite(model, RewriteSettings(n=1, temperature=0))
    locator = CombinedLocator()
    with SandboxedVerifier() as verifier:
        verdict = verifier.verify(DUCKS.text, DUCKS.problem.gold)
        request = RewriteRequest(DUCKS, verdict, locator.locate(DUCKS, verdict), None, 0)
        (candidate,) = asyncio.run(collected(rewriter, request))
        return Acceptance(verifier, locator).judge(DUCKS, candidate)


async def collected(rewriter, request):
    return [candidate async for candidate in rewriter.propose(request)]


def test_a_step_put_right_and_carried_on_is_accepted():
    found = judged("That leaves 16 - 7 = 9 eggs.")
    assert isinstance(found, Accepted)
    assert found.refined.text.splitlines()[1:] == ["That leaves 16 - 7 = 9 eggs.", "She earns 9 * 2 = $18."]


def test_a_right_number_from_nowhere_is_refused():
    assert judged("That leaves 9 eggs.") == "ungrounded 9 in step 1"


def test_another_wrong_step_is_refused():
    assert judged("That leaves 16 - 4 = 12 eggs.") == "answer incorrect (exact)"


def test_rules_in_threads_locate_what_they_locate_alone():
    records = labelled(json.loads(line) for line in LABELLED.read_bytes().splitlines())
    values = [Correctness.CORRECT if one["final_correct"] else Correctness.INCORRECT for one in records]
    verdicts = [Verdict(value, "label") for value in values]
    served = asyncio.run(located_by_service(records, verdicts, ThreadedLocator(CombinedLocator())))
    asked = zip(records, range(1, len(records) + 1), verdicts, strict=True)
    assert served == [located(*one, CombinedLocator()) for one in asked]
