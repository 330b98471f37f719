"""Evaluation in process, on a real engine and the real verifier."""

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_student import tiny_student

from services.embedded.evaluating import LocalEvaluator
from shared.domain import EvaluationProblem, EvaluationSettings, Graded
from shared.errors import FieldError, UnavailableError
from shared.ports import Evaluator

SETTINGS = EvaluationSettings(samples=3, max_tokens=20, seed=7)


@pytest.fixture(scope="module")
def evaluator() -> Iterator[LocalEvaluator]:
    with LocalEvaluator(rows=8) as made:
        yield made


def graded(
    evaluator: LocalEvaluator,
    student: Path,
    problems: list[EvaluationProblem],
    settings: EvaluationSettings = SETTINGS,
) -> dict[str, Graded]:
    return {one.problem.id: one for one in evaluator.evaluate(str(student), problems, settings)}


def test_it_is_an_evaluator(evaluator: LocalEvaluator) -> None:
    port: Evaluator = evaluator
    assert isinstance(port, Evaluator)


def test_every_problem_is_graded_k_times(
    evaluator: LocalEvaluator, student: Path, problems: list[EvaluationProblem]
) -> None:
    found = graded(evaluator, student, problems)
    assert {name: len(one.samples) for name, one in found.items()} == {one.id: 3 for one in problems}


def test_order_and_company_do_not_change_a_sample(
    evaluator: LocalEvaluator, student: Path, problems: list[EvaluationProblem]
) -> None:
    whole = graded(evaluator, student, problems)
    assert graded(evaluator, student, problems[4:1:-1]) == {one.id: whole[one.id] for one in problems[2:5]}


def test_another_seed_gives_other_samples(
    evaluator: LocalEvaluator, student: Path, problems: list[EvaluationProblem]
) -> None:
    other = EvaluationSettings(samples=3, max_tokens=20, seed=8)
    assert graded(evaluator, student, problems) != graded(evaluator, student, problems, other)


def test_a_limit_is_told_as_not_finished(
    evaluator: LocalEvaluator, student: Path, problems: list[EvaluationProblem]
) -> None:
    samples = [one for found in graded(evaluator, student, problems).values() for one in found.samples]
    assert {one.tokens for one in samples if not one.finished} == {20}


def test_the_instruction_is_put_behind_the_problem(
    evaluator: LocalEvaluator, student: Path, problems: list[EvaluationProblem]
) -> None:
    told = EvaluationSettings(samples=3, max_tokens=20, seed=7, instruction="Be brief.")
    first = problems[0]
    asked = EvaluationProblem(first.id, f"{first.text}\n\nBe brief.", first.gold)
    by_setting = graded(evaluator, student, [first], told)[first.id].samples
    assert by_setting == graded(evaluator, student, [asked])[first.id].samples


def tensors() -> int:
    """How many there are in this process."""
    import torch

    return sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())


def test_many_models_one_after_another_leave_no_thread_and_no_model(
    evaluator: LocalEvaluator, tmp_path: Path, problems: list[EvaluationProblem]
) -> None:
    students = [tiny_student(tmp_path / str(seed), seed) for seed in range(3)]
    graded(evaluator, students[0], problems[:2])
    gc.collect()
    before = threading.active_count(), tensors()
    for student in students:
        graded(evaluator, student, problems[:2])
    gc.collect()
    # Threads of other tests may end meanwhile.
    threads, held = before
    assert threading.active_count() <= threads
    assert tensors() <= held


def test_an_evaluation_that_is_left_early_ends_its_engine(
    evaluator: LocalEvaluator, student: Path, problems: list[EvaluationProblem]
) -> None:
    before = set(threading.enumerate())
    stream = evaluator.evaluate(str(student), problems, SETTINGS)
    next(stream)
    models = [one for one in set(threading.enumerate()) - before if one.name == "idiolect-transformers"]
    assert len(models) == 1
    stream.close()  # type: ignore[attr-defined]
    assert not models[0].is_alive()


def test_a_problem_that_does_not_fit_is_named(evaluator: LocalEvaluator, student: Path) -> None:
    with pytest.raises(FieldError, match=r"problem 'long', messages.*leaves no room"):
        graded(evaluator, student, [EvaluationProblem("long", "seven " * 600, "7")])


def test_a_model_that_is_not_there_is_unavailable(
    evaluator: LocalEvaluator, tmp_path: Path, problems: list[EvaluationProblem]
) -> None:
    with pytest.raises(UnavailableError):
        graded(evaluator, tmp_path, problems)


def test_settings_that_can_not_be_asked_with_are_named(
    evaluator: LocalEvaluator, student: Path, problems: list[EvaluationProblem]
) -> None:
    with pytest.raises(FieldError, match="top_p"):
        graded(evaluator, student, problems, EvaluationSettings(top_p=0.0))
