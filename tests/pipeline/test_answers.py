"""Requests whose sender waits are answered over connections that last, whatever is served behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from served import Served, scripted

from services.pipeline.metrics import WorkMetrics
from services.pipeline.work import answer
from services.pipeline.work.answer import Answers
from services.pipeline.work.engines import EngineTargets
from shared.jobs.interactive import Asked
from shared.jobs.order import Operation
from shared.rpc.channel import Target
from shared.rpc.server import ServerSettings

ASKED = Asked(Operation.SCORE, {"scorer": "served"}, [b'{"problem": "6 + 1?", "text": "So 7."}'])


@pytest.fixture
def student(tmp_path: Path) -> Iterator[Served]:
    """A student that is told apart by its seed."""
    with Served(scripted(seed=1), tmp_path) as served:
        yield served


@pytest.fixture
def answers(student: Served) -> Iterator[Answers]:
    """Of workers that know the student; nobody listens where they look for the oracle."""
    targets = EngineTargets(student.target, Target("127.0.0.1:1"))
    made = Answers(targets, 4, WorkMetrics(CollectorRegistry()))
    yield made
    made.close()


def asked_who_serves(served: Served) -> int:
    """How often the student was asked what it serves."""
    wanted = 'idiolect_requests_total{code="OK",method="GetInfo",service="student"}'
    return int(sum(float(line.split()[-1]) for line in served.metrics().splitlines() if wanted in line))


def scores_of(said: answer.Answer) -> bytes:
    """The record of the one line; each script invents log-probabilities of its own."""
    assert said.problem is None, said.problem
    ((_, outcome, record, _),) = said.lines
    assert outcome == "scored"
    return record


def test_the_second_request_finds_the_connection_open(student: Served, answers: Answers) -> None:
    first, second = scores_of(answers.to(ASKED)), scores_of(answers.to(ASKED))
    assert (first == second, asked_who_serves(student)) == (True, 1)


def test_another_model_is_noticed_and_answers(student: Served, answers: Answers, tmp_path: Path) -> None:
    before, address = scores_of(answers.to(ASKED)), student.address
    student.drain()
    with Served(scripted(seed=2), tmp_path, ServerSettings(address)):
        after = scores_of(answers.to(ASKED))
    assert after != before


def test_a_student_that_went_and_came_back_is_found(
    student: Served, answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "_PATIENCE_SECONDS", 0.5)
    before, address = scores_of(answers.to(ASKED)), student.address
    student.drain()
    gone = answers.to(ASKED)
    with Served(scripted(seed=1), tmp_path, ServerSettings(address)):
        back = scores_of(answers.to(ASKED))
    assert (gone.kind, back) == ("UnavailableError", before)


def test_a_bad_setting_is_told_and_leaves_the_connection_open(student: Served, answers: Answers) -> None:
    scores_of(answers.to(ASKED))
    refused = answers.to(Asked(Operation.SCORE, {"colour": 1}, ASKED.lines))
    scores_of(answers.to(ASKED))
    assert (refused.kind, asked_who_serves(student)) == ("FieldError", 1)
