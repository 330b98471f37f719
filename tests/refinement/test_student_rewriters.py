"""The student goes on from its own verified prefix, sampled from a real small model."""

import pytest

from services.pipeline.refinement.student_rewriters import Sampling, StudentContinue, StudentGuided
from services.student.engines.generator import TransformersGenerator
from shared.domain import (
    Correctness,
    Diagnosis,
    Finding,
    Problem,
    StepVerdict,
    Trajectory,
    Verdict,
)
from shared.ports import Generation, RewriteRequest
from shared.text.edits import apply
from shared.text.segmentation import join_steps

PROBLEM = Problem("Tom has 3 bags with 4 apples each. How many apples has he?", "12")
STEPS = ["Tom has 3 bags of apples.", "So he has 3 + 4 = 7 apples."]


@pytest.fixture(scope="module")
def generator():
    return TransformersGenerator.load()


class Recording:
    """Passes requests on and remembers them; samples are given."""

    def __init__(self, *texts, finished=True):
        self.samples = [Generation(text, 5, finished) for text in texts]
        self.requests = []

    def generate(self, request):
        self.requests.append(request)
        return self.samples


def asked(first=1, evidence="7 is no quantity of the reference"):
    text, cut = join_steps(STEPS, "\n")
    span = cut[first].span if first is not None and first >= 0 else cut[0].span
    findings = (Finding(first or 0, span, StepVerdict.WRONG, evidence, "reference", 0.7),)
    native = Trajectory("t", 1, PROBLEM, text, cut, "\n")
    return RewriteRequest(native, Verdict(Correctness.INCORRECT), Diagnosis(first, 0.7, findings), None, 11)


def test_the_student_is_asked_to_go_on_from_the_steps_before_the_first_wrong_one():
    student = Recording()
    list(StudentContinue(student).propose(asked()))
    assert student.requests[0].prefix == "Tom has 3 bags of apples.\n"


def test_the_edit_replaces_everything_from_the_wrong_step_on():
    request = asked()
    (candidate,) = StudentContinue(Recording("So 3 * 4 = 12 apples.\n")).propose(request)
    assert (
        apply(request.trajectory.text, candidate.edits) == "Tom has 3 bags of apples.\nSo 3 * 4 = 12 apples."
    )
    assert (candidate.edits[0].author, candidate.touched) == ("student", (1,))


def test_samples_that_did_not_end_by_themselves_are_no_candidates():
    assert not list(StudentContinue(Recording("So 3 * 4 =", finished=False)).propose(asked()))


def test_without_a_located_step_there_is_nothing_to_go_on_from():
    assert not list(StudentContinue(Recording("x")).propose(asked(first=None)))


def test_the_hint_is_the_evidence_and_stays_out_of_the_text():
    student = Recording("So 3 * 4 = 12 apples.")
    (candidate,) = StudentGuided(student).propose(asked())
    assert student.requests[0].hint == "7 is no quantity of the reference"
    assert "reference" not in candidate.edits[0].after


@pytest.mark.long
@pytest.mark.slow
def test_a_real_model_proposes_the_same_for_the_same_seed(generator):
    rewriter = StudentContinue(generator, Sampling(n=2, temperature=0.8, max_tokens=48))
    request = asked()
    assert list(rewriter.propose(request)) == list(rewriter.propose(request))
