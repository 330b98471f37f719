"""Evaluations as jobs: taken in, worked by the pipeline's own code over real services, summed up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from engines import Engines
from evaluation_worker import EvaluationWorker
from gateway_asking import NDJSON, code_of, ended, jsonl, rows
from running_gateway import ANNA, BERT, KEYS, RunningGateway
from typer.testing import CliRunner

from services.embedded.cli import app
from services.embedded.evaluating import ServiceEvaluator
from shared.clients.oracle import OracleClient
from shared.clients.platform import PlatformClient
from shared.clients.student import StudentClient
from shared.domain import EvaluationSettings
from shared.evaluation.figures import summary
from shared.evaluation.lines import graded_line
from shared.evaluation.problemsets import load_set
from shared.jobs.order import Operation
from shared.rpc.channel import Target

SETTINGS = "samples=2&max_tokens=24&seed=5"
PROBLEMS = [
    {"id": f"p{number}", "problem": f"What is {number} + 1?", "gold": str(number + 1), "level": number % 2}
    for number in range(6)
]


@pytest.fixture(scope="module")
def evaluating(engines: Engines) -> Iterator[RunningGateway]:
    student, oracle = engines.student.address, engines.oracle.address
    with (
        RunningGateway("memory:", keys=KEYS, student=student, oracle=oracle) as running,
        EvaluationWorker(running.desk, student, oracle),
    ):
        yield running


@pytest.fixture
def client(evaluating: RunningGateway) -> Iterator[httpx2.Client]:
    with evaluating.client(ANNA) as opened:
        yield opened


@pytest.fixture(scope="module")
def job(evaluating: RunningGateway) -> str:
    """An evaluation that has ended."""
    with evaluating.client(ANNA) as opened:
        asked = opened.post(f"/v1/evaluations?{SETTINGS}", content=jsonl(PROBLEMS), headers=NDJSON)
        assert asked.status_code == 202, asked.text
        name: str = asked.json()["id"]
        assert ended(opened, name)["status"] == "completed"
        return name


def test_the_results_are_the_graded_problems(client: httpx2.Client, job: str) -> None:
    found = rows(client.get(f"/v1/jobs/{job}/results"))
    assert [(row["id"], len(row["samples"])) for row in found] == [(one["id"], 2) for one in PROBLEMS]


def test_the_job_gives_the_samples_of_an_evaluation_over_the_same_services(
    client: httpx2.Client, job: str, engines: Engines
) -> None:
    settings = EvaluationSettings(samples=2, max_tokens=24, seed=5)
    from shared.evaluation.problemsets import to_problem

    problems = [to_problem(one, line) for line, one in enumerate(PROBLEMS, 1)]
    with (
        StudentClient(Target(engines.student.address)) as student,
        OracleClient(Target(engines.oracle.address)) as oracle,
    ):
        asked = ServiceEvaluator(student, oracle).evaluate(student.info.digest, problems, settings)
        here = {one.problem.id: graded_line(one) for one in asked}
    there = rows(client.get(f"/v1/jobs/{job}/results"))
    assert there == [{"line": line, **here[str(one["id"])]} for line, one in enumerate(PROBLEMS, 1)]


def test_the_same_job_again_gives_the_same_bytes(client: httpx2.Client, job: str) -> None:
    asked = client.post(f"/v1/evaluations?{SETTINGS}", content=jsonl(PROBLEMS), headers=NDJSON)
    again = asked.json()["id"]
    ended(client, again)
    results = [client.get(f"/v1/jobs/{name}/results").content for name in (job, again)]
    assert results[0] == results[1]


def test_the_summary_holds_figures_and_tables(client: httpx2.Client, job: str) -> None:
    told = client.get(f"/v1/evaluations/{job}/summary").json()
    assert (told["k"], told["problems"], told["without_record"], sorted(told["tables"]["level"])) == (
        2, 6, 0, ["0", "1"],
    )  # fmt: skip


def test_a_shipped_set_is_asked_by_name(client: httpx2.Client) -> None:
    asked = client.post(f"/v1/evaluations?{SETTINGS}", json={"set": "svamp-300", "limit": 3}).json()
    ended(client, asked["id"])
    found = rows(client.get(f"/v1/jobs/{asked['id']}/results"))
    assert [row["id"] for row in found] == [one.id for one in load_set("svamp-300")[:3]]


def test_defaults_are_those_of_the_paper(client: httpx2.Client) -> None:
    asked = client.post("/v1/evaluations", json={"set": "svamp-300", "limit": 1}).json()
    assert (asked["config"]["samples"], asked["config"]["temperature"]) == (16, 1.0)


TEMPLATE = {"top_p": 0.9, "instruction": "Put it in \\boxed{}.", "system": "You count."}


def test_a_template_and_a_nucleus_are_kept_with_the_job(client: httpx2.Client) -> None:
    asked = client.post("/v1/evaluations", params=TEMPLATE, json={"set": "svamp-300", "limit": 1}).json()
    assert {name: asked["config"][name] for name in TEMPLATE} == TEMPLATE


def test_an_instruction_is_put_behind_every_problem(client: httpx2.Client) -> None:
    samples = []
    for problem, told in [("1 + 1 =", "Be brief."), ("1 + 1 =\n\nBe brief.", None)]:
        params = {"samples": 1, "max_tokens": 24, **({"instruction": told} if told else {})}
        line = jsonl([{"id": "one", "problem": problem, "gold": "2"}])
        asked = client.post("/v1/evaluations", params=params, content=line, headers=NDJSON).json()
        ended(client, asked["id"])
        samples.append(rows(client.get(f"/v1/jobs/{asked['id']}/results"))[0]["samples"])
    assert samples[0] == samples[1]


def test_the_longest_template_fits_into_the_address(client: httpx2.Client) -> None:
    told = {"instruction": "\u221a" * 2048, "system": "\u221a" * 2048}
    asked = client.post("/v1/evaluations", params=told, json={"set": "svamp-300", "limit": 1})
    assert (asked.status_code, asked.json()["config"]["system"]) == (202, told["system"])


@pytest.mark.parametrize("top_p", ["0", "1.01", "nan", "-1", "x"])
def test_a_nucleus_that_is_no_share_is_refused(client: httpx2.Client, top_p: str) -> None:
    answer = client.post(f"/v1/evaluations?top_p={top_p}", json={"set": "svamp-300"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "top_p")


@pytest.mark.parametrize(
    ("lines", "param"),
    [
        ([{"problem": "?", "gold": "1"}, {"problem": "?"}], "line 2: gold"),
        ([{"id": 1, "problem": "?", "gold": "1"}, {"id": 1, "problem": "!", "gold": "2"}], "line 2: id"),
        ([{"gold": "1"}], "line 1: problem"),
        ([[]], "line 1: line"),
    ],
)
def test_a_set_with_a_bad_line_is_refused_whole(
    client: httpx2.Client, lines: list[object], param: str
) -> None:
    answer = client.post("/v1/evaluations", content=jsonl(lines), headers=NDJSON)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_an_unknown_set_is_refused_with_the_names_of_the_others(client: httpx2.Client) -> None:
    answer = client.post("/v1/evaluations", json={"set": "aime"})
    assert (answer.status_code, "math-500" in answer.json()["error"]["message"]) == (400, True)


def test_a_summary_has_to_wait_for_the_end(waiting_anna: httpx2.Client) -> None:
    asked = waiting_anna.post("/v1/evaluations", content=jsonl(PROBLEMS), headers=NDJSON).json()
    answer = waiting_anna.get(f"/v1/evaluations/{asked['id']}/summary")
    assert code_of(answer) == (409, "not_ended")


@pytest.fixture(scope="module")
def other(evaluating: RunningGateway) -> str:
    """An evaluation of the same problems with another seed, ended."""
    with evaluating.client(ANNA) as opened:
        return evaluated(opened, PROBLEMS, "samples=2&max_tokens=24&seed=6")


def evaluated(client: httpx2.Client, problems: list[dict[str, object]], settings: str) -> str:
    asked = client.post(f"/v1/evaluations?{settings}", content=jsonl(problems), headers=NDJSON)
    ended(client, asked.json()["id"])
    name: str = asked.json()["id"]
    return name


def compared(client: httpx2.Client, one: str, another: str) -> httpx2.Response:
    return client.get(f"/v1/evaluations/{one}/comparison", params={"with": another})


def test_two_evaluations_are_compared_as_the_command_compares_their_files(
    client: httpx2.Client, job: str, other: str, tmp_path: Path
) -> None:
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for name, file in zip((job, other), files, strict=True):
        file.write_bytes(client.get(f"/v1/jobs/{name}/results").content)
    here = CliRunner().invoke(app, ["compare", *map(str, files), "--json"])
    told = compared(client, job, other).json()
    assert {name: told[name] for name in json.loads(here.stdout)} == json.loads(here.stdout)


def test_the_command_compares_two_jobs_by_their_ids(
    evaluating: RunningGateway, client: httpx2.Client, job: str, other: str
) -> None:
    asked = ["compare", job, other, "--json", "--url", evaluating.url]
    told = CliRunner().invoke(app, asked, env={"IDIOLECT_KEY": ANNA})
    assert json.loads(told.stdout) == compared(client, job, other).json()


def test_evaluations_of_other_problems_cannot_be_compared(client: httpx2.Client, job: str) -> None:
    fewer = evaluated(client, PROBLEMS[:5], SETTINGS)
    answer = compared(client, job, fewer)
    assert code_of(answer) == (409, "not_comparable")
    assert "'p5' only in the first; evaluate both" in answer.json()["error"]["message"]


def test_evaluations_of_fewer_samples_cannot_be_compared(client: httpx2.Client, job: str) -> None:
    answer = compared(client, job, evaluated(client, PROBLEMS, "samples=1&max_tokens=24"))
    assert code_of(answer) == (409, "not_comparable")
    assert "draw equally many" in answer.json()["error"]["message"]


def test_a_comparison_has_to_wait_for_the_end_of_both(waiting_anna: httpx2.Client) -> None:
    asked = waiting_anna.post("/v1/evaluations", content=jsonl(PROBLEMS), headers=NDJSON).json()
    assert code_of(compared(waiting_anna, asked["id"], asked["id"])) == (409, "not_ended")


def test_a_tenant_cannot_compare_with_the_evaluation_of_another(
    evaluating: RunningGateway, client: httpx2.Client, job: str
) -> None:
    with evaluating.client(BERT) as bert:
        berts = evaluated(bert, PROBLEMS, SETTINGS)
        assert code_of(compared(bert, berts, job)) == (404, "not_found")
    assert code_of(compared(client, job, berts)) == (404, "not_found")


def test_the_evaluation_of_another_tenant_is_not_there(evaluating: RunningGateway, job: str) -> None:
    with evaluating.client(BERT) as bert:
        assert code_of(bert.get(f"/v1/evaluations/{job}/summary")) == (404, "not_found")


def test_a_job_that_is_no_evaluation_has_no_summary(waiting_anna: httpx2.Client) -> None:
    line = {"text": "It is 7.", "gold": "7", "problem": "?"}
    asked = waiting_anna.post("/v1/verifications?wait=0", content=jsonl([line]), headers=NDJSON).json()
    assert code_of(waiting_anna.get(f"/v1/evaluations/{asked['id']}/summary")) == (404, "not_found")


def test_one_idempotency_key_makes_one_job(client: httpx2.Client) -> None:
    headers = {**NDJSON, "Idempotency-Key": "once"}
    asked = [client.post("/v1/evaluations", content=jsonl(PROBLEMS), headers=headers) for _ in range(2)]
    assert asked[0].json()["id"] == asked[1].json()["id"]


def test_the_python_client_evaluates_problems_of_its_own(evaluating: RunningGateway) -> None:
    with PlatformClient(evaluating.url, ANNA) as platform:
        config = {"samples": 2, "max_tokens": 24, "seed": 5}
        job = platform.submit(PROBLEMS, Operation.EVALUATE, config)
        list(platform.watch(job.id, 0.1))
        told = platform.evaluation_summary(job.id)
        records = [json.loads(line) for line in platform.results(job.id)]
    from shared.evaluation.lines import to_graded

    here = summary(to_graded(record, 1) for record in records).to_json()
    assert (told["avg"], told["maj"]) == (here["avg"], here["maj"])


def test_the_python_client_evaluates_a_shipped_set(evaluating: RunningGateway) -> None:
    with PlatformClient(evaluating.url, ANNA) as platform:
        job = platform.evaluate_set("svamp-300", 2, {"samples": 1, "max_tokens": 8})
        assert list(platform.watch(job.id, 0.1))[-1].counts == {"graded": 2}
