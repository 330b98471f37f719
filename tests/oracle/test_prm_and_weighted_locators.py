"""A process reward model as a locator, and several locators by stated weights."""

import asyncio
import math

import pytest

from services.oracle.locators.combine import CombinedLocator
from services.oracle.locators.prm import PrmLocator
from services.oracle.locators.weighted import WeightedLocator
from services.oracle.threaded import ThreadedLocator
from shared.domain import (
    Correctness,
    Diagnosis,
    Finding,
    ModelInfo,
    Problem,
    Span,
    StepVerdict,
    Trajectory,
    Verdict,
)
from shared.errors import FieldError, IntegrityError, UnavailableError, UnsupportedError
from shared.text.segmentation import join_steps
from shared.weighing import weighed

WRONG = Verdict(Correctness.INCORRECT)
UNDECIDED = Verdict(Correctness.UNDECIDED, "no_gold")
TEXT, CUT = join_steps(["a", "b", "c", "d"], "\n")
SOLUTION = Trajectory("t", 1, Problem("p"), TEXT, CUT, "\n")


class Grades:
    """A reward model that knows its rewards."""

    info = ModelInfo("canned", "grades", "0" * 64, generates=False, scores=False)
    grades_steps, grades_solutions = True, False

    def __init__(self, *rewards):
        self.rewards = list(rewards)

    async def step_rewards(self, problem, steps):
        return self.rewards

    async def reward(self, problem, text):
        raise UnsupportedError("grades steps only")

    async def close(self):
        pass


class Says:
    """A locator with a fixed diagnosis, or with a failure."""

    def __init__(self, name, said):
        self.name, self.said = name, said

    async def locate(self, trajectory, verdict):
        await asyncio.sleep(0)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


class Endless:
    """A locator that only ends by being cancelled."""

    name = "endless"
    cancelled = False

    async def locate(self, trajectory, verdict):
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True


def by_rewards(*rewards, **options):
    return asyncio.run(PrmLocator(Grades(*rewards), **options).locate(SOLUTION, WRONG))


def by_weights(weights, verdict=UNDECIDED, **said):
    locators = [Says(name, diagnosis) for name, diagnosis in said.items()]
    return asyncio.run(WeightedLocator(locators, weights).locate(SOLUTION, verdict))


def remark(index, source="x", verdict=StepVerdict.WRONG):
    return Finding(index, SOLUTION.steps[index].span, verdict, "said", source, 0.5)


def test_the_first_reward_below_the_threshold_names_the_step():
    assert by_rewards(0.9, 0.93, 0.12, 0.01).first_error == 2


def test_the_reward_and_the_one_before_are_the_evidence():
    (found,) = by_rewards(0.9, 0.93, 0.12, 0.01).findings
    assert found.evidence == "reward 0.12 at step 2, 0.93 before"


def test_the_less_the_reward_the_more_confident_the_diagnosis():
    assert by_rewards(0.9, 0.93, 0.12, 0.01).confidence == pytest.approx(0.88)


def test_rewards_above_the_threshold_find_nothing_with_the_smallest_as_confidence():
    diagnosis = by_rewards(0.9, 0.7, 0.8, 0.95)
    assert (diagnosis.first_error, diagnosis.confidence, diagnosis.findings) == (-1, 0.7, ())


def test_the_threshold_can_be_chosen():
    assert by_rewards(0.9, 0.7, 0.8, 0.95, threshold=0.75).first_error == 1


@pytest.mark.parametrize("rewards", [(0.9,), (0.9, 0.9, 0.9, math.nan), (0.9, 0.9, 0.9, 1.5)])
def test_rewards_that_cannot_be_are_refused(rewards):
    with pytest.raises(IntegrityError, match="4 rewards"):
        by_rewards(*rewards)


@pytest.mark.parametrize("threshold", [0, 1, math.nan])
def test_a_threshold_outside_zero_and_one_is_refused(threshold):
    with pytest.raises(FieldError, match="threshold"):
        PrmLocator(Grades(), threshold)


def test_the_largest_sum_of_weight_times_confidence_wins():
    said = {"a": Diagnosis(1, 0.9), "b": Diagnosis(2, 0.5), "c": Diagnosis(2, 0.5)}
    assert by_weights({"a": 1, "b": 1, "c": 1}, **said).first_error == 2


def test_confidence_is_the_weighted_mean_of_the_belief_in_the_winner():
    said = {"a": Diagnosis(1, 0.9), "b": Diagnosis(2, 0.8)}
    assert by_weights({"a": 1, "b": 3}, **said).confidence == pytest.approx(3 * 0.8 / 4)


def test_one_locator_alone_keeps_its_confidence():
    assert by_weights({"a": 5}, a=Diagnosis(1, 0.3)) == Diagnosis(1, 0.3)


def test_nothing_wrong_is_a_vote_like_any_other():
    said = {"a": Diagnosis(-1, 0.9), "b": Diagnosis(2, 0.5)}
    assert by_weights({"a": 1, "b": 1}, **said).first_error == -1


def test_nothing_wrong_is_no_vote_where_the_final_answer_is_wrong():
    said = {"a": Diagnosis(-1, 0.9), "b": Diagnosis(2, 0.5)}
    assert by_weights({"a": 9, "b": 1}, WRONG, **said) == Diagnosis(2, 0.5)


def test_where_all_overlook_the_wrong_step_nobody_can_tell():
    assert by_weights({"a": 1}, WRONG, a=Diagnosis(-1, 0.9)).first_error is None


def test_who_is_undecided_has_no_vote():
    said = {"a": Diagnosis(None, 0.0), "b": Diagnosis(2, 0.5)}
    assert by_weights({"a": 9, "b": 1}, **said) == Diagnosis(2, 0.5)


def test_where_nobody_has_a_vote_nobody_can_tell():
    assert by_weights({"a": 1}, a=Diagnosis(None, 0.0)).first_error is None


def test_a_locator_of_weight_zero_is_heard_but_has_no_vote():
    said = {"a": Diagnosis(0, 1.0, (remark(0),)), "b": Diagnosis(2, 0.1, (remark(2),))}
    diagnosis = by_weights({"a": 0, "b": 1}, **said)
    assert (diagnosis.first_error, [one.index for one in diagnosis.findings]) == (2, [0, 2])


def test_all_findings_are_kept_in_the_order_of_their_steps():
    said = {"a": Diagnosis(1, 0.9, (remark(1), remark(3))), "b": Diagnosis(1, 0.8, (remark(2, "b"),))}
    assert [one.index for one in by_weights({"a": 1, "b": 1}, **said).findings] == [1, 2, 3]


def test_a_finding_before_the_first_error_becomes_a_doubt():
    said = {"a": Diagnosis(2, 0.9, (remark(2),)), "b": Diagnosis(0, 0.1, (remark(0, "b"),))}
    assert by_weights({"a": 1, "b": 1}, **said).flagged() == (2,)


def test_where_nothing_is_wrong_no_step_stays_flagged():
    said = {"a": Diagnosis(-1, 0.9), "b": Diagnosis(0, 0.1, (remark(0, "b"),))}
    assert by_weights({"a": 1, "b": 1}, **said).flagged() == ()


def test_a_tie_goes_to_the_earlier_step():
    votes = [(1, Diagnosis(3, 0.5)), (1, Diagnosis(1, 0.5)), (1, Diagnosis(-1, 0.5))]
    assert weighed(votes, UNDECIDED).first_error == 1


def test_a_locator_that_is_lost_fails_the_call():
    with pytest.raises(UnavailableError, match="gone"):
        by_weights({"a": 1, "b": 1}, a=Diagnosis(1, 0.5), b=UnavailableError("gone"))


def test_the_others_are_cancelled_where_one_fails():
    endless = Endless()
    locator = WeightedLocator([endless, Says("b", UnavailableError("gone"))], {"endless": 1, "b": 1})
    with pytest.raises(UnavailableError):
        asyncio.run(locator.locate(SOLUTION, WRONG))
    assert endless.cancelled


@pytest.mark.parametrize("weights", [{}, {"a": 1, "b": 1}, {"a": -1}, {"a": math.nan}, {"a": 0}])
def test_weights_that_make_no_sense_are_refused(weights):
    with pytest.raises(FieldError):
        WeightedLocator([Says("a", Diagnosis(None, 0.0))], weights)


def test_the_rules_take_part_through_a_thread():
    text, cut = join_steps(["12 * 5 = 65 pens", "65 + 4 = 69"], "\n")
    native = Trajectory("t", 1, Problem("12 boxes of 5 pens and 4 more"), text, cut, "\n")
    rules = ThreadedLocator(CombinedLocator())
    critic = Says(
        "critic", Diagnosis(1, 0.4, (Finding(1, Span(17, 28), StepVerdict.WRONG, "?", "critic", 0.4),))
    )
    locator = WeightedLocator([rules, critic], {"combined": 1, "critic": 1})
    assert asyncio.run(locator.locate(native, WRONG)).first_error == 0
