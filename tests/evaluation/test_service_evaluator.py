"""Evaluation over a student service agrees with evaluation in process, and says what it can't do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from served import Served

from services.embedded.evaluating import LocalEvaluator, ServiceEvaluator
from services.inference.base import LanguageModel
from services.inference.transformers.engine import TransformersEngine, TransformersSettings
from services.oracle.verifier import SandboxedVerifier
from shared.clients.student import StudentClient
from shared.domain import EvaluationProblem, EvaluationSettings
from shared.errors import FieldError
from shared.ports import Evaluator
from shared.rpc.channel import Target

SETTINGS = EvaluationSettings(samples=2, max_tokens=16, seed=7, top_p=0.9)


@pytest.fixture(scope="module")
def client(student: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudentClient]:
    """A student service with the engine on transformers."""

    async def made() -> LanguageModel:
        return await TransformersEngine.start(TransformersSettings(str(student), threads=1))

    with (
        Served(made, tmp_path_factory.mktemp("served")) as served,
        StudentClient(Target(served.address)) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def evaluator(client: StudentClient) -> Iterator[ServiceEvaluator]:
    with SandboxedVerifier() as verifier:
        yield ServiceEvaluator(client, verifier, at_once=4)


def test_it_is_an_evaluator(evaluator: ServiceEvaluator) -> None:
    port: Evaluator = evaluator
    assert isinstance(port, Evaluator)


def test_it_grades_as_the_evaluator_in_process_does(
    evaluator: ServiceEvaluator, client: StudentClient, student: Path, problems: list[EvaluationProblem]
) -> None:
    there = {one.problem.id: one for one in evaluator.evaluate(client.info.digest, problems, SETTINGS)}
    with LocalEvaluator() as local:
        here = {one.problem.id: one for one in local.evaluate(str(student), problems, SETTINGS)}
    assert there == here


def test_another_model_than_the_served_one_is_named(
    evaluator: ServiceEvaluator, problems: list[EvaluationProblem]
) -> None:
    with pytest.raises(FieldError, match="is served"):
        next(evaluator.evaluate("another", problems, SETTINGS))


def test_it_asks_with_a_template_and_a_nucleus_as_the_evaluator_in_process_does(
    evaluator: ServiceEvaluator, client: StudentClient, student: Path, problems: list[EvaluationProblem]
) -> None:
    asked = replace(SETTINGS, top_p=0.7, instruction="Be brief.", system="You count apples.")
    there = {one.problem.id: one for one in evaluator.evaluate(client.info.digest, problems, asked)}
    with LocalEvaluator() as local:
        here = {one.problem.id: one for one in local.evaluate(str(student), problems, asked)}
    assert there == here
