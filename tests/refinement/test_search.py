"""The search over real solutions of a small model."""

from collections import Counter

import pytest

from services.pipeline.refinement.search import Refiner
from services.pipeline.refinement.settings import SearchSettings
from shared.domain import Correctness, Outcome, Problem, Trajectory
from shared.errors import FieldError, InputError
from shared.text.edits import apply, check_untouched
from shared.text.segmentation import join_steps

DUCKS = Problem(
    "Ducks lay 16 eggs per day. She eats three and bakes four. She sells the rest for $2 each. "
    "How much does she make?",
    "18",
    "She sells 16 - 3 - 4 = 9 eggs.\nShe makes 9 * 2 = $18.\n#### 18",
)


def solution(*steps, problem=DUCKS):
    text, cut = join_steps(steps, "\n")
    return Trajectory("t", 1, problem, text, cut, "\n")


@pytest.fixture(scope="module")
def bare(verifier, locator, tiers):
    """The search without a student to judge style."""
    return Refiner(verifier, locator, tiers, None, SearchSettings())


@pytest.fixture(scope="module")
def refined(verifier, locator, tiers, student, gpt3):
    """Refinements of real solutions, with style."""
    refiner = Refiner(verifier, locator, tiers, student, SearchSettings())
    return list(refiner.refine_many(gpt3))


def test_a_right_solution_is_kept_byte_for_byte(bare):
    native = solution("She sells 16 - 3 - 4 = 9 eggs.", "She makes 9 * 2 = $18.")
    result = bare.refine(native)
    assert (result.outcome, result.refined, result.edits) == (Outcome.KEPT, native.text, ())


def test_a_wrong_step_is_repaired_and_the_rest_follows(bare):
    result = bare.refine(solution("She sells 16 - 3 = 13 eggs.", "She makes 13 * 2 = $26."))
    assert result.outcome is Outcome.REPAIRED
    assert result.refined == "She sells 16 - 3 - 4 = 9 eggs.\nShe makes 9 * 2 = $18."


def test_without_gold_nothing_is_decided(bare):
    result = bare.refine(solution("It is 4.", problem=Problem("How many?")))
    assert (result.outcome, result.reason) == (Outcome.UNDECIDED, "no_gold")


def test_a_wrong_solution_without_a_way_out_is_rejected_and_stands_as_it_was(bare):
    native = solution("It is surely 5.", problem=Problem("How many?", "7"))
    result = bare.refine(native)
    assert (result.outcome, result.refined) == (Outcome.REJECTED, native.text)


def test_a_trajectory_that_breaks_a_part_fails_alone(verifier, locator, tiers):
    class Brittle:
        name = "brittle"

        def locate(self, trajectory, verdict):
            if "boom" in trajectory.text:
                raise InputError("boom")
            return locator.locate(trajectory, verdict)

    refiner = Refiner(verifier, Brittle(), tiers, None, SearchSettings())
    right = solution("She makes (16 - 3 - 4) * 2 = 18")
    outcomes = [r.outcome for r in refiner.refine_many([right, solution("boom"), right])]
    assert outcomes == [Outcome.KEPT, Outcome.FAILED, Outcome.KEPT]


def test_every_trajectory_has_one_result_in_order(refined, gpt3):
    assert [r.trajectory.id for r in refined] == [t.id for t in gpt3]


def test_what_lies_outside_the_edits_is_untouched(refined):
    for result in refined:
        check_untouched(result.trajectory.text, result.refined, result.edits)
        assert apply(result.trajectory.text, result.edits) == result.refined


def test_whatever_was_changed_is_right_afterwards(refined):
    changed = [r for r in refined if r.outcome in (Outcome.REPAIRED, Outcome.REGENERATED)]
    assert len(changed) > 30
    assert all(r.after.value is Correctness.CORRECT for r in changed)


def test_repairs_that_touch_more_than_flagged_steps_and_their_dependents_are_called_regenerated(refined):
    regenerated = [r for r in refined if r.outcome is Outcome.REGENERATED]
    assert all("not flagged or dependent" in (r.reason or "") for r in regenerated)


def test_the_ledger_of_an_unedited_text_shows_no_drift(refined):
    kept = [r for r in refined if not r.edits]
    assert all(r.style is not None and r.style.drift == 0.0 for r in kept)


def test_chosen_candidates_passed_the_gate(refined):
    assert all(r.gate.passed for r in refined if r.gate is not None)


def test_equal_runs_give_equal_results(verifier, locator, tiers, student, gpt3, refined):
    refiner = Refiner(verifier, locator, tiers, student, SearchSettings(batch=7))
    assert list(refiner.refine_many(gpt3[:40])) == refined[:40]


def test_a_higher_price_of_style_never_picks_a_costlier_candidate(verifier, locator, tiers, student, gpt3):
    def costs(weight):
        settings = SearchSettings(weight=weight, gate="report")
        results = Refiner(verifier, locator, tiers, student, settings).refine_many(gpt3[:60])
        return [r.utility.cost for r in results if r.edits]

    assert sum(costs(5.0)) <= sum(costs(0.0))


def test_outcomes_of_wrong_solutions_are_all_accounted_for(refined):
    wrong = [r for r in refined if r.before.value is Correctness.INCORRECT]
    counts = Counter(r.outcome for r in wrong)
    assert counts[Outcome.KEPT] == counts[Outcome.FAILED] == 0


@pytest.mark.parametrize(
    ("name", "value"), [("weight", -1.0), ("weight", float("nan")), ("gate", "maybe"), ("batch", 0)]
)
def test_settings_out_of_range_name_the_field(name, value):
    with pytest.raises(FieldError):
        SearchSettings(**{name: value})
