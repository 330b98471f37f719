"""What the oracle's language model reads and writes reaches whoever asked, call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from canned import CannedModel
from oracles import DUCKS, REQUEST, WRONG, canned, thinking
from served import ServedOracle

from shared.clients.oracle import OracleClient
from shared.errors import FieldError
from shared.metering import Usage, metered


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedOracle]:
    with ServedOracle(canned(), tmp_path) as oracle:
        yield oracle


@pytest.fixture
def client(served: ServedOracle) -> Iterator[OracleClient]:
    with OracleClient(served.target) as connected:
        yield connected


def spent_by(work: Callable[[], object]) -> Usage:
    with metered() as meter:
        work()
    return meter.usage


def whole(model: object) -> Usage:
    """What the model was asked and has answered in all, a word a token."""
    assert isinstance(model, CannedModel)
    usage = Usage()
    for prompt, sampling in model.asked:
        text = "\n".join(message.content for message in prompt.messages)
        written = sum(len(thinking(text, index).split()) for index in range(sampling.n))
        usage += Usage(len(text.split()), written)
    return usage


def test_a_diagnosis_tells_what_it_spent(served: ServedOracle, client: OracleClient) -> None:
    spent = spent_by(lambda: client.locate(DUCKS, WRONG))
    assert spent == whole(served.model)


def test_a_judgement_tells_what_it_spent(served: ServedOracle, client: OracleClient) -> None:
    spent = spent_by(lambda: client.judge_retention("How many?", "Two.", "2."))
    assert spent == whole(served.model)


def test_candidates_tell_what_they_spent(served: ServedOracle, client: OracleClient) -> None:
    spent = spent_by(lambda: list(client.rewrite("oracle_rewrite", REQUEST)))
    assert spent == whole(served.model)


def test_candidates_that_are_none_tell_what_they_spent(tmp_path: Path) -> None:
    wordy = canned(lambda text, index: "no JSON")
    with ServedOracle(wordy, tmp_path) as served, OracleClient(served.target) as client:
        spent = spent_by(lambda: list(client.rewrite("oracle_rewrite", REQUEST)))
    assert spent.tokens_out == 4 * 2


def test_a_judgement_that_fails_tells_what_it_spent(tmp_path: Path) -> None:
    def failing() -> None:
        with pytest.raises(FieldError, match="no vote"):
            client.judge_retention("How many?", "Two.", "2.")

    wordy = canned(lambda text, index: "no JSON")
    with ServedOracle(wordy, tmp_path) as served, OracleClient(served.target) as client:
        spent = spent_by(failing)
    assert spent.tokens_out == 5 * 2


def test_a_stream_that_is_closed_early_tells_what_came(client: OracleClient) -> None:
    def first_only() -> None:
        candidates = client.rewrite("oracle_rewrite", REQUEST)
        next(candidates)
        candidates.close()

    spent = spent_by(first_only)
    assert spent.tokens_out >= len(thinking('{"step"', 0).split())


def test_rules_spend_nothing(client: OracleClient) -> None:
    spent = spent_by(lambda: client.locate(DUCKS, WRONG, {"combined": 1.0}))
    assert spent == Usage()
