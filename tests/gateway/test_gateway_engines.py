"""Students, scores, verifications and rollouts, asked of real services; and readiness, which follows them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from engines import Engines
from gateway_asking import NDJSON, code_of, eventually, jsonl, submit, trajectory, upload
from running_gateway import ANNA, BERT, KEYS, RunningGateway
from served import Served, scripted

from shared.rpc.server import ServerSettings
from shared.shapes import to_trajectory

# 223 real solutions of one small model.
SAMPLES = (Path(__file__).parents[2] / "data" / "demo" / "gpt3_6b.jsonl").read_bytes().splitlines()


@pytest.fixture(scope="module")
def asking(engines: Engines) -> Iterator[RunningGateway]:
    student, oracle = engines.student.address, engines.oracle.address
    with RunningGateway("memory:", keys=KEYS, student=student, oracle=oracle) as running:
        yield running


@pytest.fixture
def client(asking: RunningGateway) -> Iterator[httpx2.Client]:
    with asking.client(ANNA) as opened:
        yield opened


@pytest.fixture(scope="module")
def profile(asking: RunningGateway) -> str:
    """Anna's profile."""
    with asking.client(ANNA) as opened:
        file = upload(opened, b"\n".join(SAMPLES), purpose="user_data")["id"]
        made: str = opened.post("/v1/students", json={"name": "mine", "input_file_id": file}).json()["id"]
        return made


def test_a_profile_is_built_from_an_uploaded_file(client: httpx2.Client, profile: str) -> None:
    shown = client.get(f"/v1/students/{profile}").json()
    assert (shown["name"], shown["samples"], shown["label"]) == ("mine", 223, "proxy")


@pytest.mark.slow
def test_the_same_samples_give_the_same_profile(client: httpx2.Client, profile: str) -> None:
    read = [to_trajectory(json.loads(line), 1) for line in SAMPLES]
    samples = [{"problem": one.problem.text, "text": one.text} for one in read]
    assert client.post("/v1/students", json={"name": "mine", "samples": samples}).json()["id"] == profile


def test_profiles_are_listed(client: httpx2.Client, profile: str) -> None:
    assert [one["id"] for one in client.get("/v1/students").json()["data"]] == [profile]


def test_the_profile_of_another_tenant_is_not_there(asking: RunningGateway, profile: str) -> None:
    with asking.client(BERT) as bert:
        assert bert.get(f"/v1/students/{profile}").status_code == 404
        assert bert.get("/v1/students").json()["data"] == []


@pytest.mark.parametrize("spelt", ["{0}", "anna.{0}"])
def test_the_profile_of_another_tenant_cant_be_used(asking: RunningGateway, profile: str, spelt: str) -> None:
    with asking.client(BERT) as bert:
        answer = bert.post(f"/v1/refinements?wait=0&profile={spelt.format(profile)}", json=[trajectory()])
    assert code_of(answer) == (404, "not_found")


def test_a_job_names_the_profile_as_its_tenant_does(client: httpx2.Client, profile: str) -> None:
    job = client.post(f"/v1/refinements?wait=0&profile={profile}", json=[trajectory()]).json()
    assert job["config"]["profile"] == profile


def test_too_few_samples_are_refused(client: httpx2.Client) -> None:
    answer = client.post("/v1/students", json={"name": "few", "samples": [{"problem": "p", "text": "t"}]})
    assert answer.status_code == 400


def test_a_bad_line_of_samples_is_named(client: httpx2.Client) -> None:
    file = upload(client, b"\n".join([*SAMPLES[:3], b"{}"]))["id"]
    answer = client.post("/v1/students", json={"name": "bad", "input_file_id": file})
    assert answer.json()["error"]["param"] == "input_file_id: line 4: problem"


def test_texts_are_scored_under_a_profile(client: httpx2.Client, profile: str) -> None:
    item = {"problem": "What is 6 + 1?", "text": "6 + 1 = 7"}
    scores = client.post("/v1/scores", json={"student": profile, "items": [item, item]}).json()
    assert scores["label"] == "proxy"
    assert scores["data"][0]["nll"] == scores["data"][1]["nll"] > 0


def test_scores_of_tokens_cover_the_text(client: httpx2.Client, profile: str) -> None:
    item = {"problem": "?", "text": "6 + 1 = 7"}
    asked = {"student": profile, "items": [item], "tokens": True}
    tokens = client.post("/v1/scores", json=asked).json()["data"][0]["token_scores"]
    assert (tokens[0][0], tokens[-1][1]) == (0, len("6 + 1 = 7"))


def test_lines_to_score_become_a_job(client: httpx2.Client) -> None:
    answer = client.post("/v1/scores?wait=0", content=jsonl([trajectory()]), headers=NDJSON)
    assert (answer.status_code, answer.json()["operation"]) == (202, "scores")


def test_final_answers_are_verified(client: httpx2.Client) -> None:
    items = [
        {"text": "The answer is 7.", "gold": "7"},
        {"text": "The answer is 8.", "gold": "7"},
        {"text": "The answer is 7."},
    ]
    found = client.post("/v1/verifications", json={"items": items}).json()["data"]
    assert [one["verdict"] for one in found] == ["correct", "incorrect", "undecided"]


def test_solutions_are_sampled(client: httpx2.Client) -> None:
    asked = {"problem": "What is 6 + 1?", "n": 3, "max_tokens": 8}
    found = client.post("/v1/rollouts", json=asked).json()
    assert [one["index"] for one in found["data"]] == [0, 1, 2]
    assert found["model"].startswith("scripted")


@pytest.mark.parametrize("path", ["scores", "rollouts", "verifications"])
def test_what_isnt_set_up_is_unavailable(anna: httpx2.Client, path: str) -> None:
    item = {"problem": "p", "text": "t"}
    asked = {"problem": "p"} if path == "rollouts" else {"items": [item]}
    answer = anna.post(f"/v1/{path}", json=asked)
    assert code_of(answer) == (503, "unavailable")


def test_it_is_ready_with_all_its_parts(client: httpx2.Client) -> None:
    assert client.get("/readyz").json() == {
        "ready": True,
        "parts": {"store": "ok", "student": "ok", "oracle": "ok"},
    }


def test_readiness_falls_with_the_student_and_comes_back(tmp_path: Path) -> None:
    with Served(scripted(), tmp_path) as first:
        address = first.address
        with RunningGateway("memory:", student=address) as running, running.client(None) as client:
            eventually(lambda: client.get("/readyz").json(), lambda found: found["ready"])
            first.drain()
            eventually(lambda: client.get("/readyz").json(), lambda found: not found["ready"])
            with Served(scripted(), tmp_path, ServerSettings(listen=address, drain_seconds=1.0)):
                found = eventually(lambda: client.get("/readyz").json(), lambda found: found["ready"])
                assert client.get("/v2/health/ready").status_code == 200
    assert found["parts"]["student"] == "ok"


def test_redis_that_isnt_there_makes_it_unready() -> None:
    with RunningGateway("memory:", redis="redis://127.0.0.1:1/0") as running, running.client(None) as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["redis"]) == (503, "does not answer (ConnectionError)")


def test_a_job_is_accepted_without_redis() -> None:
    with RunningGateway("memory:", redis="redis://127.0.0.1:1/0") as running, running.client(None) as client:
        answer = client.post("/v1/refinements", content=b"\n".join(SAMPLES), headers=NDJSON)
    assert answer.status_code == 202


def test_metrics_name_routes_and_no_ids(client: httpx2.Client) -> None:
    client.get("/v1/jobs/job-none")
    text = client.get("/metrics").text
    assert 'route="/v1/jobs/{job_id}",status="404"' in text
    assert "job-none" not in text


def test_an_accepted_job_does_not_wait_for_an_oracle_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        oracle = f"127.0.0.1:{silent.getsockname()[1]}"
        with RunningGateway("memory:", keys=KEYS, oracle=oracle) as running, running.client() as client:
            answer = submit(client, jsonl(trajectory(number) for number in range(20)))
    assert (answer.status_code, answer.json()["projected"]["oracle_tokens"]) == (202, None)
