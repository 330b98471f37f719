"""A service whose first engine can't be built ends and says why; one that served before tries again."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from processes import ended
from served import Served, ServedOracle, rules, scripted

from services.inference.base import LanguageModel
from services.inference.scripted import ScriptedModel
from services.oracle.core import OracleSettings
from shared.clients.student import StudentClient
from shared.errors import FieldError, UnavailableError
from shared.ports import GenerationRequest


@pytest.mark.parametrize(
    "error", [UnavailableError("no such model"), OSError("unreadable"), ValueError("odd")]
)
def test_a_service_ends_with_what_its_first_engine_failed_with(tmp_path: Path, error: Exception) -> None:
    async def make() -> LanguageModel:
        raise error

    with pytest.raises(type(error), match=str(error)), Served(make, tmp_path):
        raise AssertionError("it serves")


def test_an_engine_that_is_lost_later_is_built_until_it_stands(tmp_path: Path) -> None:
    failures: list[Exception] = [UnavailableError("not yet"), OSError("nor now"), ValueError("odd")]
    failures_left = iter(failures)
    built: list[LanguageModel] = []

    async def make() -> LanguageModel:
        if built:
            for failure in failures_left:
                raise failure
        built.append(ScriptedModel())
        return built[-1]

    request = GenerationRequest("p", max_tokens=5)
    with Served(make, tmp_path) as served, StudentClient(served.target) as client:
        before = client.generate(request)
        served.model._lost = True
        assert client.generate(request) == before
        assert next(failures_left, None) is None


def test_an_oracle_whose_weights_name_nobody_does_not_start(tmp_path: Path) -> None:
    nobody = OracleSettings(weights={"combined": 1.0, "nobody": 1.0})
    with pytest.raises(FieldError, match="nobody"), ServedOracle(rules, tmp_path, thinking=nobody):
        raise AssertionError("it serves")


def test_an_oracle_whose_weights_can_be_used_starts(tmp_path: Path) -> None:
    some = OracleSettings(weights={"combined": 1.0, "arithmetic": 0.5})
    with ServedOracle(scripted(), tmp_path, thinking=some) as served:
        assert served.host.info.engine == "scripted"


UNUSABLE = {
    "a model that is not there": (
        "student",
        {"IDIOLECT_STUDENT_ENGINE": "transformers", "IDIOLECT_STUDENT_MODEL": "/no/such/folder"},
        "student: no model '/no/such/folder'",
    ),
    "an unknown engine": (
        "student",
        {"IDIOLECT_STUDENT_ENGINE": "nonsense"},
        "student: IDIOLECT_STUDENT_ENGINE: is 'nonsense'; ",
    ),
    "a reward model that is not there": (
        "oracle",
        {"IDIOLECT_ORACLE_REWARD_MODEL": "/no/such/folder"},
        "oracle: no model '/no/such/folder'",
    ),
    "settings that are no JSON": (
        "oracle",
        {"IDIOLECT_ORACLE_THINKING": "nonsense"},
        "oracle: IDIOLECT_ORACLE_THINKING: is no JSON object; ",
    ),
    "no votes": (
        "oracle",
        {"IDIOLECT_ORACLE_THINKING__VOTES__VOTES": "0"},
        "oracle: IDIOLECT_ORACLE_...__VOTES: is 0; ",
    ),
    "no verifiers": (
        "oracle",
        {"IDIOLECT_ORACLE_VERIFIERS": "0"},
        "oracle: IDIOLECT_ORACLE_VERIFIERS: is '0'; ",
    ),
    "no address": ("student", {"IDIOLECT_LISTEN": "nowhere"}, "student: listen: "),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_settings_end_the_process_with_2_and_a_line(case: str) -> None:
    name, variables, said = UNUSABLE[case]
    done = ended(name, **variables)
    assert (done.returncode, done.stderr.splitlines()[-1][: len(said)]) == (2, said)


def test_an_address_in_use_ends_the_process_with_2_and_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = ended("student", IDIOLECT_LISTEN=address)
    said = f"student: listen: {address} can't be listened on; give a free HOST:PORT of this machine"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, said)
