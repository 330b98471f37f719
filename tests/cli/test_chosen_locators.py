"""``idiolect refine --locator``: chosen locators, here and over services; what does not fit is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "services"))

from served import Served, ServedOracle, scripted

from services.embedded.cli import app
from services.embedded.composition import assemble
from services.embedded.locating import weights_of
from services.inference.absent import AbsentModel
from services.inference.base import LanguageModel
from services.oracle.core import RULES
from services.pipeline.assembly import RunSettings, Services
from services.pipeline.refinement.rollout import Rollouts
from shared.errors import FieldError
from shared.record import validate

RUNNER = CliRunner()
DEMO = Path(__file__).parents[2] / "data" / "demo" / "gpt3_6b.jsonl"
GOES_ON = ["--generate", "--student-engine", "scripted"]
BOTH = ["--locator", "combined=1", "--locator", "rollout=0.5"]

Records = list[dict[str, Any]]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six real solutions."""
    path = tmp_path_factory.mktemp("locators") / "in.jsonl"
    with DEMO.open("rb") as stream:
        path.write_bytes(b"".join(islice(stream, 6)))
    return path


def refine(source: Path, output: Path, *options: str, code: int = 0) -> str:
    done = RUNNER.invoke(app, ["refine", str(source), "-o", str(output), "--scorer", "none", *options])
    assert done.exit_code == code, done.output
    return done.stderr


def refined(source: Path, output: Path, *options: str) -> Records:
    refine(source, output, *options)
    return [json.loads(line) for line in output.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def output(source: Path) -> Path:
    """What the rules and the student together made of them."""
    output = source.with_name("both.jsonl")
    refine(source, output, *GOES_ON, *BOTH, "--rollouts", "3")
    return output


@pytest.fixture(scope="module")
def both(output: Path) -> Records:
    """Its records."""
    return [json.loads(line) for line in output.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A scripted student service, equal to the scripted student in process."""
    with Served(scripted(), tmp_path_factory.mktemp("student")) as served:
        yield served


async def no_model() -> LanguageModel:
    return AbsentModel("rules", RULES)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOracle]:
    """An oracle service of rules."""
    with ServedOracle(no_model, tmp_path_factory.mktemp("oracle")) as served:
        yield served


def sources(records: Records) -> set[str]:
    return {one["source"] for record in records for one in record["diagnosis"]["steps"]}


def without_provenance(records: Records) -> Records:
    return [{name: value for name, value in one.items() if name != "provenance"} for one in records]


def test_every_record_is_valid(both: Records) -> None:
    for record in both:
        validate(record)


def test_the_student_is_heard_beside_the_rules(both: Records) -> None:
    assert {"rollout"} < sources(both)


def test_a_record_tells_who_located(both: Records) -> None:
    assert {one["provenance"]["engines"]["locators"] for one in both} == {"combined=1.0, rollout=0.5"}


def test_so_many_samples_a_prefix_are_drawn(both: Records) -> None:
    said = [one["evidence"] for r in both for one in r["diagnosis"]["steps"] if one["source"] == "rollout"]
    assert all(" of 3 " in evidence for evidence in said)


def test_without_a_choice_no_record_tells_locators(source: Path, tmp_path: Path) -> None:
    records = refined(source, tmp_path / "out.jsonl")
    assert not any("locators" in one["provenance"]["engines"] for one in records)


def test_the_default_chosen_by_name_gives_the_same_records(source: Path, tmp_path: Path) -> None:
    chosen = refined(source, tmp_path / "chosen.jsonl", "--locator", "combined")
    default = refined(source, tmp_path / "default.jsonl")
    assert without_provenance(chosen) == without_provenance(default)


@pytest.mark.parametrize("name", ["answer", "arithmetic", "reference"])
def test_each_rule_can_be_chosen_alone(source: Path, tmp_path: Path, name: str) -> None:
    assert sources(refined(source, tmp_path / "out.jsonl", "--locator", name)) <= {name}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "settings.locators: combined=1.0, rollout=0.5 -> None"),
        (["--locator", "combined=2", "--locator", "rollout=0.5", "--rollouts", "3"], "combined=2.0"),
        ([*BOTH, "--rollouts", "4"], "settings.rollouts.n: 3 -> 4"),
    ],
)
def test_another_choice_is_refused_on_a_resume(
    source: Path, output: Path, options: list[str], told: str
) -> None:
    assert told in refine(source, output, *GOES_ON, *options, code=4)


def test_locators_chosen_after_a_run_without_are_refused_on_a_resume(source: Path, tmp_path: Path) -> None:
    refine(source, tmp_path / "out.jsonl")
    refused = refine(source, tmp_path / "out.jsonl", "--locator", "combined=1", code=4)
    assert "settings.locators: None -> combined=1.0" in refused


ORDERS = {
    "an unknown name": (["--locator", "oracle=1"], "combined, answer, arithmetic, reference, rollout"),
    "no number": (["--locator", "combined=much"], "'much'"),
    "a negative weight": (["--locator", "combined=-1"], "finite numbers >= 0"),
    "only weights of zero": (["--locator", "combined=0"], "nobody vote"),
    "one twice": (["--locator", "combined=1", "--locator", "combined=2"], "twice"),
    "rollout without a student": (["--locator", "rollout=1"], "--generate"),
    "rollouts for nobody": (["--locator", "combined=1", "--rollouts", "3"], "--rollouts"),
    "no rollouts": ([*GOES_ON, "--locator", "rollout", "--rollouts", "0"], "--rollouts"),
}


@pytest.mark.parametrize(("options", "told"), ORDERS.values(), ids=ORDERS.keys())
def test_a_choice_that_makes_no_sense_is_refused_and_named(
    source: Path, tmp_path: Path, options: list[str], told: str
) -> None:
    assert told in refine(source, tmp_path / "out.jsonl", *options, code=2)


def test_a_student_service_locates_without_rewriting(
    source: Path, tmp_path: Path, student: Served, both: Records
) -> None:
    options = ["--student", student.address, *BOTH, "--rollouts", "3"]
    records = refined(source, tmp_path / "out.jsonl", *options)
    assert [one["diagnosis"] for one in records] == [one["diagnosis"] for one in both]
    assert "student_continue" not in records[0]["provenance"]["engines"]["rewriters"]


def test_a_student_service_that_cannot_go_on_is_refused(source: Path, tmp_path: Path) -> None:
    with Served(no_model, tmp_path / "state") as mute:
        told = refine(source, tmp_path / "out.jsonl", "--student", mute.address, *BOTH, code=2)
    assert "the served one can't" in told


def test_an_oracle_service_weighs_its_own_as_this_process_does(
    source: Path, tmp_path: Path, oracle: ServedOracle
) -> None:
    options = ["--locator", "combined=2", "--locator", "arithmetic=1"]
    there = refined(source, tmp_path / "there.jsonl", "--oracle", oracle.address, *options)
    here = refined(source, tmp_path / "here.jsonl", *options)
    assert without_provenance(there) == without_provenance(here)


def test_an_oracle_service_and_the_student_are_weighed_as_in_one_process(
    source: Path, tmp_path: Path, oracle: ServedOracle, both: Records
) -> None:
    options = ["--oracle", oracle.address, *GOES_ON, *BOTH, "--rollouts", "3"]
    records = refined(source, tmp_path / "out.jsonl", *options)
    assert without_provenance(records) == without_provenance(both)


def test_what_the_oracle_does_not_have_is_refused_before_the_run(
    source: Path, tmp_path: Path, oracle: ServedOracle
) -> None:
    options = ["--oracle", oracle.address, "--locator", "critic=1"]
    told = refine(source, tmp_path / "out.jsonl", *options, code=2)
    assert "choose among combined, answer, arithmetic, reference, rollout" in told


def test_settings_with_an_unknown_locator_are_refused_when_they_are_put_together() -> None:
    settings = RunSettings(scorer="none", locators=(("nobody", 1.0),))
    with pytest.raises(FieldError, match="choose among combined"), assemble(settings, None, Services()):
        pass


@pytest.mark.parametrize("changed", [{"locators": (("rollout", 2.0),)}, {"rollouts": Rollouts(n=2)}])
def test_locators_and_rollouts_are_part_of_the_config(changed: dict[str, Any]) -> None:
    before = {"locators": (("rollout", 1.0),), "rollouts": Rollouts()}
    assert RunSettings(**before).config() != RunSettings(**{**before, **changed}).config()


def test_the_config_without_a_choice_tells_nothing_of_locators() -> None:
    assert not {"locators", "rollouts"} & RunSettings().config().keys()


def test_a_name_alone_weighs_one() -> None:
    assert weights_of(["combined", "rollout=0.5"]) == (("combined", 1.0), ("rollout", 0.5))
