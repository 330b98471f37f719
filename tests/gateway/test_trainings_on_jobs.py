"""Trainings on what came of jobs: the pipeline's own work over real services, then a real trainer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from evaluation_worker import EvaluationWorker
from gateway_asking import NDJSON, Made, code_of, ended, eventually, jsonl, rows
from running_gateway import ANNA, BERT, KEYS, RunningGateway
from served import Served, ServedOracle, rules, scripted
from serving_trainer import TrainerHouse
from small_students import make_student
from typer.testing import CliRunner

from services.embedded.cli import app
from shared.clients.platform import PlatformClient
from shared.domain.training import TrainingSettings
from shared.published import PublishedModel, card_of

SMALL = TrainingSettings(batch_size=2, steps=2, learning_rate=1e-2, precision="float32")
ASKED: Made = {"batch_size": 2, "steps": 2, "precision": "float32"}
RIGHT = [
    {"problem": f"What is {n} + 1?", "text": f"{n} + 1 = {n + 1}\nThe answer is {n + 1}.", "gold": str(n + 1)}
    for n in range(4)
]
WRONG = [{**one, "text": "The answer is 77."} for one in RIGHT]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainerHouse]:
    pupil = make_student(tmp_path_factory.mktemp("pupil"))
    with TrainerHouse(tmp_path_factory.mktemp("house"), pupil) as entered:
        yield entered


@pytest.fixture(scope="module")
def training(house: TrainerHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    state = tmp_path_factory.mktemp("engines")
    store = f"file:{house.work.parent / 'store'}"
    with (
        Served(scripted(median_tokens=6, sigma=0.0), state / "student") as student,
        ServedOracle(rules, state / "oracle") as oracle,
        RunningGateway(store, keys=KEYS, trainer=house.address, student=student.address) as running,
        EvaluationWorker(running.desk, student.address, oracle.address),
    ):
        yield running


@pytest.fixture
def client(training: RunningGateway) -> Iterator[httpx2.Client]:
    with training.client(ANNA) as opened:
        yield opened


def done(client: httpx2.Client, path: str, lines: list[Made]) -> str:
    """A job that has ended."""
    asked = client.post(path, content=jsonl(lines), headers=NDJSON)
    assert asked.status_code == 202, asked.text
    name: str = asked.json()["id"]
    ended(client, name)
    return name


def refined(client: httpx2.Client, lines: list[Made]) -> str:
    return done(client, "/v1/refinements?wait=0&scorer=none", lines)


def train(client: httpx2.Client, job: str, **changed: object) -> httpx2.Response:
    asked = {"name": "graduate", "base_model": "pupil", "input_job_id": job, "settings": ASKED, **changed}
    return client.post("/v1/trainings", json=asked)


def trained_rows(house: TrainerHouse, client: httpx2.Client, job: str) -> int:
    """How many rows the card of the model names that was trained on a job."""
    begun = train(client, job).json()
    over = eventually(
        lambda: client.get(f"/v1/trainings/{begun['id']}").json(), lambda found: found["ended_at"] is not None
    )
    assert over["error"] is None
    card = card_of(house.store, PublishedModel("anna", "graduate", over["model"]["digest"]))
    number: int = card["rows"]
    return number


@pytest.mark.long
def test_refinements_are_trained_on_as_the_command_exports_them(
    house: TrainerHouse, training: RunningGateway, client: httpx2.Client, tmp_path: Path
) -> None:
    job = refined(client, [*RIGHT, *WRONG])
    assert trained_rows(house, client, job) == len(RIGHT)
    records, exported = tmp_path / "records.jsonl", tmp_path / "rows.jsonl"
    records.write_bytes(client.get(f"/v1/jobs/{job}/results").content)
    CliRunner().invoke(app, ["export", str(records), "-o", str(exported)])
    assert training.store.get(f"t/anna/jobs/{job}/rows.jsonl") == exported.read_bytes()


def test_of_rollouts_the_first_right_sample_of_a_problem_is_trained_on(
    house: TrainerHouse, training: RunningGateway, client: httpx2.Client
) -> None:
    problems: list[Made] = [{"problem": one["problem"]} for one in RIGHT]
    path = "/v1/rollouts?samples=2&max_tokens=300&wait=0"
    drawn = rows(client.get(f"/v1/jobs/{done(client, path, problems)}/results"))
    # The second sample's answer becomes gold, so that the first is right by chance alone.
    golds = [row["samples"][1]["text"].split()[-1].rstrip(".") for row in drawn]
    job = done(client, path, [{**one, "gold": gold} for one, gold in zip(problems, golds, strict=True)])
    assert trained_rows(house, client, job) == len(RIGHT)
    found = [json.loads(line) for line in training.store.get(f"t/anna/jobs/{job}/rows.jsonl").splitlines()]
    right = [
        next(sample["text"] for sample in row["samples"] if sample["value"] == "correct")
        for row in rows(client.get(f"/v1/jobs/{job}/results"))
    ]
    assert [row["completion"] for row in found] == right


def test_what_costs_too_much_is_left_out_where_that_is_asked_for(
    training: RunningGateway, client: httpx2.Client
) -> None:
    lines = [
        {
            "problem": f"Ida has {n} pears and buys one. How many?",
            "text": f"First, Ida has {n} pears and buys one more, so I get {n} + 1 = {n + 1}.\n"
            f"In the end, I know that there are {n + 1} pears{' in all' * (n % 7 == 0)}.",
            "gold": str(n + 1),
        }
        for n in range(240)
    ]
    samples = [{"problem": one["problem"], "text": one["text"]} for one in lines]
    made = client.post("/v1/students", json={"name": "adder", "samples": samples})
    assert made.status_code in (200, 201), made.text
    profile = made.json()["id"]
    job = done(client, f"/v1/refinements?wait=0&scorer=proxy&profile={profile}", lines)
    costs = [row["utility"]["cost"] for row in rows(client.get(f"/v1/jobs/{job}/results"))]
    limit = sorted(costs)[120]
    assert train(client, job, most_cost=limit).status_code == 202
    kept = training.store.get(f"t/anna/jobs/{job}/rows-within-{limit!r}.jsonl").splitlines()
    assert len(kept) == sum(cost <= limit for cost in costs) < len(costs)


def test_records_without_a_cost_are_within_no_limit(client: httpx2.Client) -> None:
    answer = train(client, refined(client, RIGHT), most_cost=0.5)
    assert code_of(answer) == (409, "no_rows")
    assert "4 cost not known" in answer.json()["error"]["message"]


@pytest.mark.parametrize("most", [-1, "much"])
def test_a_limit_of_cost_is_a_number_from_zero_on(client: httpx2.Client, most: object) -> None:
    answer = train(client, "job-1", most_cost=most)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "most_cost")


def test_what_has_no_cost_takes_no_limit(client: httpx2.Client) -> None:
    job = done(client, "/v1/rollouts?samples=1&wait=0", [{"problem": "What is 1 + 1?", "gold": "2"}])
    told = [
        train(client, job, most_cost=1),
        train(client, "", most_cost=1, input_job_id=None, input_file_id="file-1"),
    ]
    assert [one.json()["error"]["param"] for one in told] == ["most_cost", "most_cost"]


def test_a_job_without_a_right_answer_is_no_training_data(client: httpx2.Client) -> None:
    answer = train(client, refined(client, WRONG))
    assert code_of(answer) == (409, "no_rows")
    assert "4 " in answer.json()["error"]["message"]


def test_a_rollout_without_gold_is_no_training_data(client: httpx2.Client) -> None:
    job = done(client, "/v1/rollouts?samples=1&wait=0", [{"problem": "What is 1 + 1?"}])
    assert "1 no gold" in train(client, job).json()["error"]["message"]


def test_a_job_that_makes_no_texts_is_of_the_wrong_kind(client: httpx2.Client) -> None:
    answer = train(client, done(client, "/v1/verifications?wait=0", RIGHT))
    assert code_of(answer) == (409, "wrong_kind")
    assert "refinements or rollouts" in answer.json()["error"]["message"]


def test_a_job_that_goes_on_has_to_be_waited_for(house: TrainerHouse) -> None:
    with RunningGateway("memory:", keys=KEYS, trainer=house.address) as idle, idle.client(ANNA) as anna:
        asked = anna.post("/v1/refinements?wait=0&scorer=none", content=jsonl(RIGHT), headers=NDJSON).json()
        assert code_of(train(anna, asked["id"])) == (409, "not_ended")


def test_a_job_of_another_tenant_is_not_there(training: RunningGateway, client: httpx2.Client) -> None:
    job = refined(client, RIGHT)
    with training.client(BERT) as bert:
        assert code_of(train(bert, job)) == (404, "not_found")


@pytest.mark.parametrize("files", [{"input_job_id": None}, {"input_file_id": "file-1"}])
def test_either_a_file_or_a_job_is_named(client: httpx2.Client, files: Made) -> None:
    answer = train(client, "job-1", **files)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input_file_id")


def test_the_key_of_a_refused_job_is_free(client: httpx2.Client) -> None:
    asked = {"name": "graduate", "base_model": "pupil", "settings": ASKED}
    jobs = [refined(client, lines) for lines in (WRONG, RIGHT)]
    headers = {"Idempotency-Key": "free again"}
    told = [
        client.post("/v1/trainings", json={**asked, "input_job_id": job}, headers=headers).status_code
        for job in jobs
    ]
    assert told == [409, 202]


def test_the_rows_of_a_job_go_with_it(training: RunningGateway, client: httpx2.Client) -> None:
    job = refined(client, RIGHT)
    train(client, job)
    client.delete(f"/v1/jobs/{job}")
    assert training.store.list(f"t/anna/jobs/{job}/") == []


@pytest.mark.long
def test_the_python_client_trains_on_a_job(training: RunningGateway, client: httpx2.Client) -> None:
    with PlatformClient(training.url, ANNA) as platform:
        begun = platform.train(refined(client, RIGHT), "graduate", "pupil", SMALL)
        *_, (standing, _) = platform.watch_training(begun.id)
    assert standing.state == "succeeded"
