"""A candidate stands only if its answer verifies, its numbers are grounded and no wrong step is left."""

import pytest

from services.pipeline.refinement.acceptance import Acceptance, Accepted
from shared.domain import Candidate, Edit, Problem, Span, Trajectory
from shared.text.segmentation import join_steps

DUCKS = Problem(
    "Ducks lay 16 eggs per day. She eats three and bakes four. She sells the rest for $2 each. "
    "How much does she make?",
    "18",
    "She sells 16 - 3 - 4 = 9 eggs.\nShe makes 9 * 2 = $18.\n#### 18",
)
WRONG = ["She sells 16 - 3 = 13 eggs.", "She makes 13 * 2 = $26."]

CASES = [
    (["She sells 16 - 3 - 4 = 9 eggs.", "She makes 9 * 2 = $18."], None),
    (["She sells 16 - 3 = 13 eggs.", "She makes $18."], "ungrounded"),
    (["She sells 16 - 3 = 13 eggs.", "She makes 9 * 2 = $18."], "ungrounded"),
    (["She sells 16 - 3 - 4 = 9 eggs.", "She makes 9 + 2 = $11."], "answer incorrect"),
    (["She sells 16 - 3 - 4 = 10 eggs.", "She makes 9 * 2 = $18."], "ungrounded"),
    (WRONG, "changes nothing"),
]


def rewritten(steps):
    text, cut = join_steps(WRONG, "\n")
    native = Trajectory("t", 1, DUCKS, text, cut, "\n")
    edit = Edit(Span(0, len(text)), text, "\n".join(steps), "rules", "test")
    return native, Candidate((edit,), "test", (0, 1))


@pytest.mark.parametrize(("steps", "refusal"), CASES)
def test_a_candidate_is_refused_for_the_first_thing_wrong_with_it(steps, refusal, verifier, locator):
    native, candidate = rewritten(steps)
    judged = Acceptance(verifier, locator).judge(native, candidate)
    if refusal is None:
        assert isinstance(judged, Accepted)
    else:
        assert isinstance(judged, str)
        assert judged.startswith(refusal)


def test_pasting_the_references_last_line_over_a_late_step_is_no_repair(verifier, locator, gpt3):
    """The cheat that makes most answers right and leaves an earlier wrong step standing."""
    acceptance = Acceptance(verifier, locator)
    judged = [
        acceptance.judge(native, _pasted(native))
        for native in gpt3
        if native.problem.reference and _goes_wrong_early(native, verifier, locator)
    ]
    assert len(judged) > 50
    assert sum(isinstance(one, Accepted) for one in judged) / len(judged) < 0.12


def _goes_wrong_early(native, verifier, locator):
    verdict = verifier.verify(native.text, native.problem.gold)
    first = locator.locate(native, verdict).first_error
    return verdict.value == "incorrect" and first is not None and 0 <= first < len(native.steps) - 1


def _pasted(native):
    lines = [line for line in native.problem.reference.split("\n") if "####" not in line]
    last = native.steps[-1]
    return Candidate((Edit(last.span, last.text, lines[-1], "reference", "cheat"),), "cheat", (last.index,))
