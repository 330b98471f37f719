"""Which problems all arms share, and how much of an edited text is kept."""

import pytest

from services.pipeline.study.items import Sampled, StudyProblem
from services.pipeline.study.makers.base import preserved_steps
from services.pipeline.study.sharing import matched, share, unsolved
from shared.domain import Correctness, GradedSample, Problem, Verdict


def sampled(name: str, marks: str) -> Sampled:
    """A problem whose samples are right (r), wrong (w), undecided (u) or right but cut off (c)."""
    values = {"r": Correctness.CORRECT, "w": Correctness.INCORRECT, "u": Correctness.UNDECIDED}
    values["c"] = Correctness.CORRECT
    samples = tuple(
        GradedSample(f"text {i}", 3, mark != "c", Verdict(values[mark], "known"))
        for i, mark in enumerate(marks)
    )
    return Sampled(StudyProblem(name, Problem("?", "1")), samples)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("first", [("a", 0, 1), ("b", 0, 0), ("d", 0, 2)]),
        ("wrong", [("a", 0, 1), ("d", 1, 2)]),
        ("right", [("a", 1, 1), ("b", 0, 0), ("d", 2, 2)]),
    ],
)
def test_the_rule_decides_which_sample_is_edited(source: str, expected: list[tuple[str, int, int]]) -> None:
    problems = [sampled("a", "wr"), sampled("b", "rr"), sampled("c", "ww"), sampled("d", "cwr")]
    assert [(one.id, one.source, one.native) for one in share(problems, source)] == expected


def test_any_sample_that_ended_by_itself_can_be_native_and_be_edited() -> None:
    problems = [sampled("a", "wr"), sampled("c", "cu"), sampled("e", "cc")]
    found = [(one.id, one.source, one.native) for one in share(problems, "native", "any")]
    assert found == [("a", 0, 0), ("c", 1, 1)]


def test_a_problem_is_unsolved_where_no_sample_is_right_and_one_is_wrong_for_certain() -> None:
    problems = [sampled("a", "wr"), sampled("b", "ww"), sampled("c", "uu")]
    assert [one.problem.id for one in unsolved(problems)] == ["b"]


@pytest.mark.parametrize("text", ["7\x00", "7 \ud800", "  "])
def test_a_sample_that_can_not_be_learnt_from_is_neither_right_nor_wrong(text: str) -> None:
    problem = StudyProblem("a", Problem("?", "7"))
    verdicts = (Verdict(Correctness.CORRECT, "known"), Verdict(Correctness.INCORRECT, "known"))
    found = Sampled(problem, tuple(GradedSample(text, 3, True, verdict) for verdict in verdicts))
    assert (found.right, found.wrong) == ((), ())


def test_only_problems_with_a_text_in_every_arm_are_matched() -> None:
    made = [[True, True, False, True], [True, False, True, True]]
    assert matched(["a", "b", "c", "d"], made, 9) == ["a", "d"]


def test_no_more_problems_are_matched_than_wanted() -> None:
    assert matched(["a", "b"], [[True, True]], 1) == ["a"]


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [
        ("One 1.\nTwo 22.", "One 1.\nTwo 22.", 1.0),
        ("One 1.\nTwo 22.", "One 1.\nTwo 23.", 6 / 13),
        ("One 1.\nTwo 22.", "Two 22.\nOne 1.", 7 / 13),
        ("One 1.\nTwo 22.", "All new.", 0.0),
    ],
)
def test_preserved_counts_the_characters_of_steps_kept_whole(before: str, after: str, share: float) -> None:
    assert preserved_steps(before, after) == pytest.approx(share)
