"""The student goes on from prefixes of its solution, and the step that spoils it is found by halving."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.oracle.verifier.limits import Limits
from services.oracle.verifier.verifier import SandboxedVerifier
from services.pipeline.refinement.rollout import PrefixValue, RolloutLocator, Rollouts, RolloutSearch
from services.student.engines.generator import TransformersGenerator
from shared.domain import Correctness, Problem, StepVerdict, Trajectory, Verdict
from shared.errors import FieldError
from shared.ports import Generation, GenerationRequest, Generator, Locator
from shared.text.segmentation import join_steps

WRONG = Verdict(Correctness.INCORRECT, "compared", "41")
RIGHT, WRONG_END = "So the answer is 42.", "So the answer is 41."


class Student:
    """A sampler that reaches 42 as often as the prefix allows: `reach` says how often of how many."""

    def __init__(self, reach, *, says=RIGHT, else_says=WRONG_END, finished=True):
        self.reach, self.says, self.else_says, self.finished = reach, says, else_says, finished
        self.requests: list[GenerationRequest] = []

    def generate(self, request: GenerationRequest) -> list[Generation]:
        self.requests.append(request)
        good = self.reach(request)
        texts = [self.says if place < good else self.else_says for place in range(request.n)]
        return [Generation(text, 7, self.finished) for text in texts]

    @property
    def drawn(self) -> int:
        return sum(request.n for request in self.requests)


def until_slip(good: int):
    """So many of the continuations succeed as long as the prefix holds no slip."""
    return lambda request: 0 if "slip" in request.prefix else good


def solution(steps: int, slip: int | None, gold: str | None = "42") -> Trajectory:
    """A wrong solution whose step `slip` spoils what comes after it."""
    texts = ["a slip here" if index == slip else f"thought {index}" for index in range(steps)]
    text, cut = join_steps(texts, "\n")
    return Trajectory("t", 1, Problem("What is 6 * 7?", gold), text, cut, "\n")


def wrong_finding(diagnosis):
    (finding,) = [f for f in diagnosis.findings if f.verdict is StepVerdict.WRONG]
    return finding


def test_it_is_a_locator_over_a_generator(verifier):
    student = Student(until_slip(8))
    assert isinstance(student, Generator)
    assert isinstance(RolloutLocator(student, verifier), Locator)


def test_the_spoiling_step_is_found_with_evidence_that_states_its_cost(verifier):
    locator = RolloutLocator(Student(until_slip(5)), verifier)
    diagnosis = locator.locate(solution(4, slip=2), WRONG)
    assert (diagnosis.first_error, wrong_finding(diagnosis).evidence) == (
        2,
        "0 of 8 continuations from step 3 reach 42; 5 of 8 from step 2 do; 24 samples",
    )


def test_a_wrong_last_step_is_blamed_on_the_solution_itself(verifier):
    locator = RolloutLocator(Student(until_slip(8)), verifier)
    diagnosis = locator.locate(solution(2, slip=1), WRONG)
    assert (diagnosis.first_error, wrong_finding(diagnosis).evidence) == (
        1,
        "8 of 8 continuations from step 1 reach 42; with step 1, the last one, the solution does not; "
        "16 samples",
    )


def test_the_finding_is_the_whole_step(verifier):
    trajectory = solution(5, slip=3)
    finding = wrong_finding(RolloutLocator(Student(until_slip(8)), verifier).locate(trajectory, WRONG))
    assert finding.span.of(trajectory.text) == "a slip here"


def test_steps_that_the_student_can_go_on_from_are_called_right(verifier):
    diagnosis = RolloutLocator(Student(until_slip(8)), verifier).locate(solution(8, slip=6), WRONG)
    assert [f.index for f in diagnosis.findings if f.verdict is StepVerdict.RIGHT] == [3, 5]


@given(
    shape=st.integers(1, 300).flatmap(lambda steps: st.tuples(st.just(steps), st.integers(0, steps - 1))),
    n=st.integers(1, 12),
)
@settings(max_examples=300, deadline=None)
def test_every_slip_is_found_within_the_stated_cost(shape, n):
    steps, slip = shape
    student = Student(until_slip(n))
    rollouts = Rollouts(n=n)
    with SandboxedVerifier() as verifier:
        search = RolloutLocator(student, verifier, rollouts).search(solution(steps, slip), "42")
    assert search.first_error == slip
    assert search.samples == student.drawn <= rollouts.most_samples(steps)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 8, 9, 31, 32, 33, 100, 1000])
def test_the_stated_cost_is_n_for_nothing_and_n_a_halving(steps):
    assert Rollouts(n=8).most_samples(steps) == 8 + 8 * math.ceil(math.log2(steps))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 8, 9, 31, 32, 33, 100])
def test_the_stated_cost_is_reached_by_some_slip(steps, verifier):
    rollouts = Rollouts(n=2)
    costs = []
    for slip in range(steps):
        student = Student(until_slip(2))
        RolloutLocator(student, verifier, rollouts).search(solution(steps, slip), "42")
        costs.append(student.drawn)
    assert max(costs) == rollouts.most_samples(steps)


def test_a_solution_without_steps_costs_nothing():
    assert Rollouts().most_samples(0) == 0


@pytest.mark.parametrize(
    ("verdict", "gold", "steps", "first"),
    [
        (Verdict(Correctness.CORRECT, "exact", "42"), "42", 4, -1),
        (Verdict(Correctness.UNDECIDED, "no_gold"), None, 4, None),
        (Verdict(Correctness.UNDECIDED, "timeout"), "42", 4, None),
        (WRONG, "42", 0, None),
    ],
)
def test_where_nothing_can_be_learnt_no_sample_is_drawn(verdict, gold, steps, first, verifier):
    student = Student(until_slip(8))
    diagnosis = RolloutLocator(student, verifier).locate(solution(steps, None, gold), verdict)
    assert (diagnosis.first_error, student.drawn) == (first, 0)


def test_a_student_that_cannot_solve_the_problem_proves_nothing(verifier):
    diagnosis = RolloutLocator(Student(until_slip(0)), verifier).locate(solution(4, slip=2), WRONG)
    (finding,) = diagnosis.findings
    assert (diagnosis.first_error, diagnosis.confidence, finding.verdict, finding.evidence) == (
        None,
        0.0,
        StepVerdict.UNKNOWN,
        "0 of 8 continuations of the problem alone reach 42; 8 samples",
    )


def test_a_continuation_that_was_cut_off_has_not_reached_gold(verifier):
    student = Student(until_slip(8), finished=False)
    diagnosis = RolloutLocator(student, verifier).locate(solution(4, slip=2), WRONG)
    assert (diagnosis.first_error, diagnosis.findings[0].evidence) == (
        None,
        "0 of 8 (8 cut off) continuations of the problem alone reach 42; 8 samples",
    )


def test_the_answer_is_looked_for_in_prefix_and_continuation_together(verifier):
    # The student says the answer at once, or adds nothing to a prefix that has said it.
    text, cut = join_steps(["The answer is 42.", "a slip here", "The answer is 41."], "\n")
    trajectory = Trajectory("t", 1, Problem("What is 6 * 7?", "42"), text, cut, "\n")
    student = Student(lambda request: 0 if request.prefix else 8, else_says="")
    assert RolloutLocator(student, verifier).locate(trajectory, WRONG).first_error == 2


def test_undecided_continuations_count_neither_way(verifier):
    long = "x" * (Limits().text + 1)
    student = Student(until_slip(5), else_says=long)
    search = RolloutLocator(student, verifier).search(solution(1, slip=0), "42")
    assert search.values == (PrefixValue(0, reached=5, undecided=3),)


def test_a_prefix_without_any_verdict_ends_the_search_and_says_so(verifier):
    long = "x" * (Limits().text + 1)
    student = Student(until_slip(8), else_says=long)
    diagnosis = RolloutLocator(student, verifier).locate(solution(4, slip=1), WRONG)
    assert (diagnosis.first_error, diagnosis.findings[0].evidence) == (
        None,
        "0 of 0 continuations from step 2 reach 42, 8 undecided; 16 samples",
    )


def test_drawing_stops_once_enough_continuations_have_succeeded(verifier):
    student = Student(until_slip(2))
    search = RolloutLocator(student, verifier, Rollouts(n=8, at_once=2)).search(solution(1, slip=0), "42")
    assert search.values == (PrefixValue(0, reached=2),)


def test_drawing_stops_once_success_is_out_of_reach(verifier):
    student = Student(until_slip(0))
    rollouts = Rollouts(n=8, least=5, at_once=2)
    search = RolloutLocator(student, verifier, rollouts).search(solution(1, slip=0), "42")
    assert search.values == (PrefixValue(0, missed=4),)


@given(steps=st.integers(1, 60), at_once=st.integers(1, 9), least=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_drawing_a_few_at_once_finds_the_same_step_for_no_more(steps, at_once, least):
    student = Student(lambda request: 0 if "slip" in request.prefix else request.n)
    rollouts = Rollouts(n=8, at_once=at_once, least=least)
    with SandboxedVerifier() as verifier:
        search = RolloutLocator(student, verifier, rollouts).search(solution(steps, steps // 2), "42")
    assert (search.first_error, student.drawn <= rollouts.most_samples(steps)) == (steps // 2, True)


def test_each_call_for_a_prefix_draws_other_samples(verifier):
    student = Student(until_slip(0))
    RolloutLocator(student, verifier, Rollouts(n=6, at_once=2, seed=11)).search(solution(1, slip=0), "42")
    assert [request.seed for request in student.requests] == [11, 13, 15]


def test_more_successes_may_be_asked_for(verifier):
    # Once in eight times the student recovers from its slip.
    student = Student(lambda request: 1 if "slip" in request.prefix else 6)
    rollouts = Rollouts(n=8, least=4)
    assert RolloutLocator(student, verifier, rollouts).search(solution(6, slip=2), "42").first_error == 2


@pytest.mark.parametrize(
    ("before", "after", "confidence"),
    [
        (PrefixValue(2, reached=8), PrefixValue(3, missed=8), 0.8),
        (PrefixValue(2, reached=5, missed=3), PrefixValue(3, missed=8), 0.5),
        (PrefixValue(2, reached=1, missed=7), PrefixValue(3, missed=8), 0.1),
    ],
)
def test_confidence_is_the_fall_of_the_expected_rate_of_success(before, after, confidence):
    assert RolloutSearch(2, (before, after)).confidence == pytest.approx(confidence)


def test_a_search_without_end_has_no_confidence():
    assert RolloutSearch(None, (PrefixValue(0, missed=8),)).confidence == 0


@pytest.mark.parametrize("settings", [{"n": 0}, {"least": 0}, {"n": 2, "least": 3}, {"at_once": 0}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(FieldError):
        Rollouts(**settings)


def test_a_real_student_is_asked_no_more_than_stated(verifier):
    rollouts = Rollouts(n=2, max_tokens=8)
    locator = RolloutLocator(TransformersGenerator.load(threads=1), verifier, rollouts)
    search = locator.search(solution(4, slip=2), "42")
    assert 2 <= search.samples <= rollouts.most_samples(4)
