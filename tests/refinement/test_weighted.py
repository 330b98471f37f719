"""Several locators in one diagnosis: the formula is the oracle's; what the student's part of it costs."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.oracle.locators.weighted import WeightedLocator as ServedWeightedLocator
from services.oracle.threaded import ThreadedLocator
from services.pipeline.refinement.rollout import RolloutLocator, Rollouts
from services.pipeline.refinement.search import Refiner
from services.pipeline.refinement.settings import SearchSettings
from services.pipeline.refinement.weighted import WeightedLocator
from services.student.engines.scripted import ScriptedGenerator
from shared.domain import Correctness, Diagnosis, Finding, Outcome, Problem, StepVerdict, Trajectory, Verdict
from shared.errors import FieldError, UnavailableError
from shared.ports import Generation, GenerationRequest, Locator
from shared.text.segmentation import join_steps

WRONG = Verdict(Correctness.INCORRECT)
TEXT, CUT = join_steps(["a", "b", "c", "d"], "\n")
SOLUTION = Trajectory("t", 1, Problem("p"), TEXT, CUT, "\n")


class Says:
    """A locator with a fixed diagnosis, or with a failure."""

    def __init__(self, name, said):
        self.name, self.said = name, said

    def locate(self, trajectory, verdict):
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


class Counting:
    """A student that always ends with the answer it was given, and counts its samples."""

    def __init__(self, answer):
        self.answer, self.drawn = answer, 0

    def generate(self, request: GenerationRequest) -> list[Generation]:
        self.drawn += request.n
        return [Generation(f"\nThe answer is {self.answer}.", 5, True)] * request.n


def remark(index, source):
    return Finding(index, SOLUTION.steps[index].span, StepVerdict.WRONG, "said", source, 0.5)


def by_weights(weights, verdict=WRONG, **said):
    locators = [Says(name, diagnosis) for name, diagnosis in said.items()]
    return WeightedLocator(locators, weights).locate(SOLUTION, verdict)


def test_it_is_a_locator():
    assert isinstance(WeightedLocator([Says("a", Diagnosis(None, 0.0))], {"a": 1}), Locator)


def test_the_largest_sum_of_weight_times_confidence_wins():
    said = {"a": Diagnosis(1, 0.9), "b": Diagnosis(2, 0.5)}
    assert by_weights({"a": 1, "b": 2}, **said) == Diagnosis(2, round(2 * 0.5 / 3, 4))


def test_every_locator_keeps_its_findings():
    said = {"a": Diagnosis(1, 0.9, (remark(1, "a"),)), "b": Diagnosis(3, 0.1, (remark(3, "b"),))}
    assert [one.source for one in by_weights({"a": 1, "b": 1}, **said).findings] == ["a", "b"]


diagnoses = st.builds(
    lambda first, confidence: Diagnosis(first, confidence, (remark(max(first or 0, 0), "x"),)),
    st.sampled_from([None, -1, 0, 1, 2, 3]),
    st.floats(0, 1),
)
votes = st.lists(st.tuples(st.floats(0.1, 9), diagnoses), min_size=1, max_size=4)


@given(votes=votes, value=st.sampled_from(Correctness))
def test_it_says_what_the_oracle_says_of_the_same_votes(votes, value):
    weights = {f"l{place}": weight for place, (weight, _) in enumerate(votes)}
    locators = [Says(name, said) for name, (_, said) in zip(weights, votes, strict=True)]
    served = ServedWeightedLocator([ThreadedLocator(one) for one in locators], weights)
    verdict = Verdict(value)
    ours = WeightedLocator(locators, weights).locate(SOLUTION, verdict)
    assert ours == asyncio.run(served.locate(SOLUTION, verdict))


def test_a_locator_that_is_lost_fails_the_call():
    with pytest.raises(UnavailableError, match="gone"):
        by_weights({"a": 1, "b": 1}, a=Diagnosis(1, 0.5), b=UnavailableError("gone"))


@pytest.mark.parametrize("weights", [{}, {"a": 1, "b": 1}, {"a": -1}, {"a": math.nan}, {"a": 0}])
def test_weights_that_make_no_sense_are_refused(weights):
    with pytest.raises(FieldError):
        WeightedLocator([Says("a", Diagnosis(None, 0.0))], weights)


def test_a_name_that_is_given_twice_is_refused():
    with pytest.raises(FieldError, match="twice"):
        WeightedLocator([Says("a", Diagnosis(None, 0.0))] * 2, {"a": 1})


def first_with(outcome, refiner, trajectories):
    found = zip(trajectories, refiner.refine_many(trajectories), strict=True)
    return next(trajectory for trajectory, refinement in found if refinement.outcome is outcome)


def with_rollout(student, verifier, locator):
    rollout = RolloutLocator(student, verifier, Rollouts(n=4))
    return WeightedLocator([locator, rollout], {"combined": 1.0, "rollout": 0.5})


def test_judging_candidates_costs_no_samples(verifier, locator, tiers, gpt3):
    settings = SearchSettings()
    wrong = first_with(Outcome.REPAIRED, Refiner(verifier, locator, tiers, None, settings), gpt3[:20])
    student = Counting(wrong.problem.gold)
    weighted = with_rollout(student, verifier, locator)
    weighted.locate(wrong, verifier.verify(wrong.text, wrong.problem.gold))
    located, student.drawn = student.drawn, 0
    refinement = Refiner(verifier, weighted, tiers, None, settings).refine(wrong)
    judged = len(refinement.tried) + len(refinement.edits)
    assert (judged > 0, located > 0, student.drawn) == (True, True, located)


def test_a_right_answer_costs_no_samples(verifier, locator, tiers, gpt3):
    settings = SearchSettings()
    right = first_with(Outcome.KEPT, Refiner(verifier, locator, tiers, None, settings), gpt3[:20])
    student = Counting(right.problem.gold)
    Refiner(verifier, with_rollout(student, verifier, locator), tiers, None, settings).refine(right)
    assert student.drawn == 0


def test_a_student_that_proves_nothing_leaves_the_step_to_the_rules(verifier, locator, gpt3):
    weighted = with_rollout(Counting("nothing"), verifier, locator)
    verdicts = [verifier.verify(one.text, one.problem.gold) for one in gpt3[:12]]
    asked = list(zip(gpt3[:12], verdicts, strict=True))
    wrong = [one for one in asked if one[1].value is Correctness.INCORRECT]
    assert [weighted.locate(*one).first_error for one in wrong] == [
        locator.locate(*one).first_error for one in wrong
    ]


def test_the_scripted_student_gives_the_same_diagnosis_again(verifier, locator, gpt3):
    weighted = with_rollout(ScriptedGenerator(), verifier, locator)
    verdict = verifier.verify(gpt3[0].text, gpt3[0].problem.gold)
    assert weighted.locate(gpt3[0], verdict) == weighted.locate(gpt3[0], verdict)
