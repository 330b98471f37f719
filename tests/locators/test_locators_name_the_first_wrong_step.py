import json
from pathlib import Path

import pytest

from services.oracle.locators import AnswerLocator, ArithmeticLocator, CombinedLocator, ReferenceLocator
from services.oracle.locators.evaluation import half_of, labelled, located, report
from services.oracle.locators.scoring import probabilities, weights
from shared.domain import Correctness, StepVerdict, Verdict
from shared.ports import Locator
from shared.shapes import to_trajectory

DATA = Path(__file__).parents[1] / "data" / "locators"
RIGHT = Verdict(Correctness.CORRECT)
WRONG = Verdict(Correctness.INCORRECT)
UNDECIDED = Verdict(Correctness.UNDECIDED, "no_gold")
EGGS = {
    "problem": "Janet has 16 eggs. She eats 3 and bakes with 4. She sells the rest at $2 each. How much?",
    "gold": "18",
    "reference": "She uses 3 + 4 = 7 eggs.\nShe sells 16 - 7 = 9 eggs.\nShe makes 9 * 2 = 18 dollars.",
}


def eggs(*steps, **fields):
    return to_trajectory({**EGGS, "steps": list(steps), **fields}, 1)


def records(name):
    return [json.loads(line) for line in (DATA / name).read_bytes().splitlines()]


def verdict_of(record):
    value = Correctness.CORRECT if record["final_correct"] else Correctness.INCORRECT
    return Verdict(value, "label", record.get("final_answer"))


def results(name, locator):
    return [
        located(r, line, verdict_of(r), locator) for line, r in enumerate(labelled(records(name)), start=1)
    ]


@pytest.mark.parametrize(
    "locator", [AnswerLocator(), ArithmeticLocator(), ReferenceLocator(), CombinedLocator()]
)
def test_every_rule_is_a_locator(locator):
    assert isinstance(locator, Locator)


@pytest.mark.parametrize(
    "locator", [AnswerLocator(), ArithmeticLocator(), ReferenceLocator(), CombinedLocator()]
)
def test_a_right_solution_is_not_flagged(locator):
    trajectory = eggs("3 + 4 = 7 eggs are used.", "16 - 7 = 9 are sold.", "9 * 2 = 18. The answer is 18.")
    assert locator.locate(trajectory, RIGHT).first_error == -1


def test_a_regrouped_solution_is_not_flagged_by_the_reference():
    trajectory = eggs("16 - 3 = 13 eggs.", "13 - 4 = 9 eggs.", "9 * 2 = 18.")
    assert ReferenceLocator().locate(trajectory, RIGHT).first_error == -1


def test_false_arithmetic_is_named_with_its_evidence():
    trajectory = eggs("3 + 4 = 7 eggs are used.", "16 - 7 = 8 are sold.", "8 * 2 = 16. The answer is 16.")
    finding = ArithmeticLocator().locate(trajectory, WRONG).findings[0]
    assert (finding.index, finding.evidence, finding.expected) == (1, "16 - 7 is 9, not 8", "9")


def test_the_span_of_a_false_result_lies_in_the_whole_text():
    trajectory = eggs("3 + 4 = 7 eggs are used.", "16 - 7 = 8 are sold.", "8 * 2 = 16.")
    finding = ArithmeticLocator().locate(trajectory, WRONG).findings[0]
    assert finding.span.of(trajectory.text) == "8"


def test_a_quantity_off_the_reference_is_named_with_what_was_expected():
    trajectory = eggs("3 + 4 = 7 eggs are used.", "16 + 7 = 23 are sold.", "23 * 2 = 46. The answer is 46.")
    finding = ReferenceLocator().locate(trajectory, WRONG).findings[0]
    assert (finding.index, finding.evidence) == (
        1,
        "23 is no quantity of the reference; expected 16 - 7 = 9",
    )


def test_the_combined_diagnosis_names_the_departing_step():
    trajectory = eggs("3 + 4 = 7 eggs are used.", "16 + 7 = 23 are sold.", "23 * 2 = 46. The answer is 46.")
    assert CombinedLocator().locate(trajectory, WRONG).first_error == 1


def test_a_missing_last_operation_is_blamed_on_a_concluding_step():
    trajectory = eggs("3 + 4 = 7 eggs are used.", "16 - 7 = 9 are sold.", "So she makes 9 dollars each day.")
    assert CombinedLocator().locate(trajectory, WRONG).first_error == 2


@pytest.mark.parametrize(
    ("steps", "first"),
    [
        (("Ida buys 36 more, so I get 24 + 36 = 60.", "Ida sells 21, so I get 60 - 21 = 39.", "So 38."), 2),
        (("Ida buys 36 more, so I get 24 + 36 = 60.", "Ida sells 21, so I get 60 + 21 = 81.", "So 81."), 1),
        (("Ida buys 36 more, so I get 24 - 36 = 12.", "Ida sells 21, so I get 12 - 21 = 9.", "So 9."), 0),
    ],
)
def test_a_box_around_the_answer_makes_no_formal_mathematics_of_a_worded_problem(steps, first):
    problem = "Ida has 24 apples. Ida buys 36 more. Ida sells 21. How many apples does Ida have now?"
    reference = "24 + 36 = 60\n60 - 21 = 39\n\\boxed{39}"
    record = {"problem": problem, "gold": "39", "reference": reference, "steps": list(steps)}
    assert CombinedLocator().locate(to_trajectory(record, 1), WRONG).first_error == first


def test_false_arithmetic_is_flagged_even_where_the_answer_is_right():
    trajectory = eggs("3 + 4 = 8 eggs are used.", "16 - 7 = 9 are sold.", "9 * 2 = 18.")
    assert CombinedLocator().locate(trajectory, RIGHT).first_error == 0


def test_wrong_steps_left_before_a_replaced_last_line_are_flagged():
    trajectory = eggs("3 * 4 = 12 eggs are used.", "16 + 31 = 47 are sold.", "47 * 5 = 235.", "9 * 2 = 18.")
    assert CombinedLocator().locate(trajectory, RIGHT).first_error in (0, 1)


def test_without_gold_and_evidence_nobody_can_tell():
    assert CombinedLocator().locate(eggs("So 9 eggs.", gold=None), UNDECIDED).first_error is None


def test_without_gold_false_arithmetic_is_still_wrong():
    assert CombinedLocator().locate(eggs("16 - 7 = 8 eggs.", gold=None), UNDECIDED).first_error == 0


def test_a_wrong_answer_always_has_a_first_error_with_readable_evidence():
    diagnosis = CombinedLocator().locate(eggs("Hello.", "I think so.", "It is blue."), WRONG)
    assert [f.index for f in diagnosis.findings if f.verdict is StepVerdict.WRONG] == [diagnosis.first_error]


def test_the_first_error_is_always_among_the_flagged_steps():
    wrong = [r for r in records("labelled.jsonl") if not r["final_correct"]]
    diagnoses = [CombinedLocator().locate(to_trajectory(r, 1), verdict_of(r)) for r in wrong]
    assert all(d.first_error == d.flagged()[0] for d in diagnoses)


def test_every_finding_lies_within_its_step():
    trajectories = [(to_trajectory(r, 1), verdict_of(r)) for r in records("labelled.jsonl")]
    assert all(
        t.steps[f.index].span.start <= f.span.start <= f.span.end <= t.steps[f.index].span.end
        for t, verdict in trajectories
        for f in CombinedLocator().locate(t, verdict).findings
    )


def test_held_out_solutions_are_located_better_than_by_blaming_the_second_step():
    combined = report(results("labelled.jsonl", CombinedLocator()))["erroneous"]["accuracy"]
    answer = report(results("labelled.jsonl", AnswerLocator()))["erroneous"]["accuracy"]
    assert combined >= answer + 0.15


def test_held_out_right_solutions_are_left_alone():
    assert report(results("labelled.jsonl", CombinedLocator()))["correct"]["accuracy"] >= 0.95


def test_multistep_arithmetic_is_checked_nearly_without_fault():
    assert report(results("multistep_arithmetic.jsonl", ArithmeticLocator()))["erroneous"]["accuracy"] >= 0.9


def test_the_shipped_samples_hold_no_problem_that_was_tuned_on():
    assert {half_of(r["problem"]) for r in records("labelled.jsonl")} == {"B"}


def test_probabilities_add_up_to_one():
    shares = probabilities([{"false": 1.0}, {"length": 2.0}, {}], weights()["worded"])
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "text",
    ["9" * 30_000, "(" * 9_000, "1=1=" * 900, "<<1+1=2>>" * 600, "\\frac{" * 2_000, "2x+3=7 " * 700],
)
def test_hostile_text_is_answered(text):
    trajectory = to_trajectory({**EGGS, "reference": text, "steps": [text, "1 + 1 = 3"]}, 1)
    assert CombinedLocator().locate(trajectory, WRONG).first_error in (0, 1, None)


def test_a_text_too_long_to_read_is_no_verdict():
    assert CombinedLocator().locate(eggs("1 + 1 = 3 " * 10_000), WRONG).first_error is None
