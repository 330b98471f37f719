"""The gateway before the real pipeline: Redis, workers, a student and an oracle, each a process."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pyarrow.parquet as pq
import pytest
from gateway_asking import NDJSON, ended, eventually, rows, submit, upload
from house import House
from openai import OpenAI
from running_gateway import ANNA, KEYS, RunningGateway
from test_gateway_engines import SAMPLES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, RunningGateway]]:
    """All processes, and a gateway before them."""
    house = House(tmp_path_factory.mktemp("whole"))
    try:
        house.service("student", IDIOLECT_STUDENT_ENGINE="scripted")
        house.service("oracle", IDIOLECT_ORACLE_ENGINE="rules")
        house.workers(IDIOLECT_PIPELINE_CONCURRENCY="1")
        with RunningGateway(
            f"file:{house.folder / 'store'}",
            keys=KEYS,
            redis=f"redis://127.0.0.1:{house.port}/0",
            student=house.addresses["student"],
            oracle=house.addresses["oracle"],
        ) as running:
            yield house, running
    finally:
        house.close()


@pytest.fixture
def client(whole: tuple[House, RunningGateway]) -> Iterator[httpx2.Client]:
    with whole[1].client(ANNA) as opened:
        yield opened


@pytest.fixture(scope="module")
def profile(whole: tuple[House, RunningGateway]) -> str:
    """A profile of the real solutions."""
    with whole[1].client(ANNA) as opened:
        file = upload(opened, b"\n".join(SAMPLES), purpose="user_data")["id"]
        made: str = opened.post("/v1/students", json={"name": "real", "input_file_id": file}).json()["id"]
        return made


def test_a_trajectory_is_refined_while_its_caller_waits(client: httpx2.Client, profile: str) -> None:
    body = b"\n".join(SAMPLES[:3])
    answer = client.post(f"/v1/refinements?profile={profile}&wait=60", content=body, headers=NDJSON)
    assert answer.status_code == 200, answer.text
    assert [record["schema"] for record in answer.json()["data"]] == ["idiolect.record/1"] * 3


def test_what_is_answered_in_place_is_stored_nowhere(
    whole: tuple[House, RunningGateway], client: httpx2.Client, profile: str
) -> None:
    before = whole[1].store.list("t/anna/jobs/", "", 10_000)
    answer = client.post(f"/v1/refinements?profile={profile}", json=json.loads(SAMPLES[0]))
    assert (answer.json()["job"], whole[1].store.list("t/anna/jobs/", "", 10_000)) == (None, before)


def test_a_question_that_a_worker_refuses_names_the_field(client: httpx2.Client) -> None:
    answer = client.post("/v1/refinements", json=json.loads(SAMPLES[0]))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "profile")


def test_a_job_in_place_and_a_job_give_the_same_records(client: httpx2.Client, profile: str) -> None:
    body = b"\n".join(SAMPLES[:5])
    place = client.post(f"/v1/refinements?profile={profile}", content=body, headers=NDJSON).json()["data"]
    job = client.post(f"/v1/refinements?profile={profile}&wait=0", content=body, headers=NDJSON).json()["id"]
    assert ended(client, job)["status"] == "completed"
    assert rows(client.get(f"/v1/jobs/{job}/results")) == place


def test_a_job_fits_a_profile_on_its_own_lines(client: httpx2.Client) -> None:
    job = submit(client, b"\n".join([*SAMPLES, b"broken"])).json()["id"]
    found = ended(client, job)
    assert (found["status"], found["counts"]["bad"], sum(found["counts"].values())) == ("completed", 1, 224)


def test_the_official_client_runs_a_batch(whole: tuple[House, RunningGateway], profile: str) -> None:
    endpoint: Any = "/v1/refinements"
    lines = [
        {"custom_id": f"r{n}", "method": "POST", "url": endpoint, "body": json.loads(sample)}
        for n, sample in enumerate(SAMPLES[:20])
    ]
    lines.append({"custom_id": "bad", "method": "POST", "url": endpoint, "body": {"problem": "?"}})
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    with OpenAI(base_url=f"{whole[1].url}/v1", api_key=ANNA) as openai:
        file = openai.files.create(file=("r.jsonl", io.BytesIO(content)), purpose="batch")
        batch = openai.batches.create(
            input_file_id=file.id,
            endpoint=endpoint,
            completion_window="24h",
            extra_body={"config": {"profile": profile}},
        )
        while batch.status not in ("completed", "failed"):
            batch = openai.batches.retrieve(batch.id)
        assert batch.output_file_id is not None
        assert batch.error_file_id is not None
        output = openai.files.content(batch.output_file_id).text.splitlines()
        errors = openai.files.content(batch.error_file_id).text.splitlines()
    assert ([json.loads(line)["custom_id"] for line in errors], len(output)) == (["bad"], 20)


@pytest.mark.parametrize("path", ["scores", "verifications"])
def test_lines_of_other_operations_are_answered_in_place(
    client: httpx2.Client, profile: str, path: str
) -> None:
    query = f"?profile={profile}" if path == "scores" else ""
    answer = client.post(f"/v1/{path}{query}", content=b"\n".join(SAMPLES[:2]), headers=NDJSON)
    assert [one["line"] for one in answer.json()["data"]] == [1, 2]


def test_workers_write_the_results_as_parquet(client: httpx2.Client) -> None:
    job = client.post(
        "/v1/verifications?wait=0", content=b"\n".join(SAMPLES[:20]), headers={**NDJSON, "Prefer": "wait=0"}
    ).json()["id"]
    ended(client, job)
    place = f"/v1/jobs/{job}/results?format=parquet"
    answer = eventually(
        lambda: {"answer": client.get(place)}, lambda found: found["answer"].status_code != 202
    )["answer"]
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.to_pylist() == rows(client.get(f"/v1/jobs/{job}/results"))


def test_an_evaluation_goes_through_the_pipeline_and_comes_out_the_same_each_time(
    client: httpx2.Client,
) -> None:
    found = []
    for _ in range(2):
        asked = client.post("/v1/evaluations?samples=2&max_tokens=16&seed=4", json={"set": "svamp-300"})
        job = asked.json()["id"]
        assert ended(client, job)["counts"] == {"graded": 300}
        found.append(client.get(f"/v1/jobs/{job}/results").content)
    assert found[0] == found[1]
    told = client.get(f"/v1/evaluations/{job}/summary").json()
    assert (told["problems"], len(told["model"])) == (300, 64)
