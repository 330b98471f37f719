"""Refinements in place and as jobs; what becomes of them."""

from __future__ import annotations

import gzip
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pyarrow.parquet as pq
import pytest
import zstandard
from desk_worker import DeskWorker
from gateway_asking import NDJSON, code_of, ended, eventually, jsonl, rows, submit, trajectory, upload
from running_gateway import RunningGateway

from services.gateway.accepting import Claim, Wish, stored
from services.pipeline.export.columns import columns_of, record_of
from services.pipeline.export.running import run
from shared.jobs.config import JobConfig
from shared.jobs.errands import Errand, fail
from shared.jobs.layout import JobKey
from shared.jobs.order import Operation
from shared.jobs.stall import Stall, tell


def many(count: int) -> bytes:
    return jsonl(trajectory(number) for number in range(count))


def test_a_few_trajectories_are_answered_in_place(anna: httpx2.Client) -> None:
    answer = anna.post("/v1/refinements", json=[trajectory(1), trajectory(2)])
    assert answer.status_code == 200
    assert [record["line"] for record in answer.json()["data"]] == [1, 2]


def test_one_trajectory_needs_no_list(anna: httpx2.Client) -> None:
    assert len(anna.post("/v1/refinements", json=trajectory()).json()["data"]) == 1


def test_a_bad_line_in_place_is_told_beside_the_others(anna: httpx2.Client) -> None:
    answer = anna.post("/v1/refinements", content=jsonl([{"problem": "?"}, trajectory()]), headers=NDJSON)
    assert [error["line"] for error in answer.json()["errors"]] == [1]


def test_many_trajectories_become_a_job(anna: httpx2.Client) -> None:
    answer = anna.post("/v1/refinements", content=many(17), headers=NDJSON)
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0", "respond-async, wait=0"])
def test_whoever_prefers_it_gets_a_job(waiting_anna: httpx2.Client, prefer: str) -> None:
    answer = waiting_anna.post("/v1/refinements", json=[trajectory()], headers={"Prefer": prefer})
    assert answer.status_code == 202


def test_what_takes_longer_than_the_caller_waits_becomes_a_job(waiting_anna: httpx2.Client) -> None:
    answer = waiting_anna.post("/v1/refinements?wait=0.2", json=[trajectory()])
    assert answer.json()["status"] == "queued"


def test_a_job_is_told_what_it_will_cost(waiting_anna: httpx2.Client) -> None:
    projected = submit(waiting_anna, many(100)).json()["projected"]
    assert (projected["lines"], projected["oracle_tokens"]) == (100, 0)
    assert projected["input_tokens"] == len(many(100)) // 4


def test_a_job_in_which_nothing_moves_says_why(
    idle_gateway: RunningGateway, waiting_anna: httpx2.Client
) -> None:
    job = submit(waiting_anna, many(20)).json()["id"]
    key = next(key for key in idle_gateway.desk.live() if key.job == job)
    tell(idle_gateway.store, key, Stall("verifier", "the oracle is gone", 1.5))
    shown = waiting_anna.get(f"/v1/jobs/{job}").json()["stall"]
    assert shown == {"cause": "verifier", "reason": "the oracle is gone", "since": 1.5}


def test_results_come_in_the_order_of_the_input(anna: httpx2.Client) -> None:
    job = submit(anna, many(1000)).json()["id"]
    ended(anna, job)
    assert [record["line"] for record in rows(anna.get(f"/v1/jobs/{job}/results"))] == list(range(1, 1001))


def test_results_go_on_behind_a_line(anna: httpx2.Client) -> None:
    job = submit(anna, many(600)).json()["id"]
    ended(anna, job)
    answer = anna.get(f"/v1/jobs/{job}/results?after=511")
    assert [record["line"] for record in rows(answer)] == list(range(512, 601))


def test_a_running_job_serves_its_finished_prefix() -> None:
    with RunningGateway("memory:") as running, running.client(None) as client:
        job = submit(client, many(600)).json()["id"]
        with DeskWorker(running.desk, shards=2):
            eventually(
                lambda: client.get(f"/v1/jobs/{job}").json(), lambda one: one["shards"]["decided"] == 2
            )
        answer = client.get(f"/v1/jobs/{job}/results")
    assert (len(rows(answer)), answer.headers["Idiolect-Job-Status"]) == (512, "running")


def test_equal_lines_are_separate_trajectories(anna: httpx2.Client) -> None:
    job = submit(anna, jsonl([trajectory()] * 100)).json()["id"]
    assert ended(anna, job)["counts"]["kept"] == 100


def test_a_job_records_bad_lines_and_goes_on(anna: httpx2.Client) -> None:
    job = submit(anna, b'not json\n\n{"problem": 1}\n' + many(2)).json()["id"]
    assert ended(anna, job)["counts"] == {"bad": 2, "kept": 2}
    assert [error["line"] for error in rows(anna.get(f"/v1/jobs/{job}/errors"))] == [1, 3]
    assert [record["line"] for record in rows(anna.get(f"/v1/jobs/{job}/results"))] == [4, 5]


@pytest.mark.parametrize(
    ("name", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)]
)
def test_a_packed_body_is_unpacked(anna: httpx2.Client, name: str, pack: object) -> None:
    body = pack(many(5000))  # type: ignore[operator]
    assert submit(anna, body, **{"Content-Encoding": name}).json()["lines"] == 5000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1,",
        b'["a" "b"]',
        b"[}",
        b"{]",
        b"null",
        b'{"a":1}{',
        b"[] []",
        b"[1]]",
        b"[,]",
        b"[]",
        b'["',
    ],
)
def test_a_body_that_is_no_json_is_refused(anna: httpx2.Client, body: bytes) -> None:
    answer = anna.post("/v1/refinements", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "body")


@pytest.mark.parametrize("body", [b"", b"\n \n\t\r\n"])
def test_a_body_without_a_line_is_refused(anna: httpx2.Client, body: bytes) -> None:
    assert code_of(submit(anna, body)) == (400, "invalid_value")


def test_a_refused_body_leaves_no_job(idle_gateway: RunningGateway) -> None:
    before = len(idle_gateway.store.list("t/anna/jobs/", "", 10_000))
    with idle_gateway.client() as client:
        headers = {"Content-Type": "application/json"}
        client.post("/v1/refinements?wait=0", content=b'[{"a":1}, {"b":2', headers=headers)
    assert len(idle_gateway.store.list("t/anna/jobs/", "", 10_000)) == before


@pytest.mark.parametrize(
    "query",
    ["lambda=-1", "lambda=nan", "alpha=2", "gate=no", "seed=x", "wait=-1", "nothing=1", "profile=x@1"],
)
def test_settings_that_cant_be_used_are_refused(anna: httpx2.Client, query: str) -> None:
    assert anna.post(f"/v1/refinements?{query}", json=[trajectory()]).status_code in (400, 404)


def test_a_job_holds_its_settings_complete(waiting_anna: httpx2.Client) -> None:
    job = waiting_anna.post("/v1/refinements?wait=0&lambda=0.5", json=[trajectory()]).json()
    assert (job["config"]["lambda"], job["config"]["gate"]) == (0.5, "enforce")


def test_the_same_key_gives_the_same_job(waiting_anna: httpx2.Client) -> None:
    answers = [submit(waiting_anna, many(3), **{"Idempotency-Key": "same"}) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]


def test_another_body_under_the_same_key_is_refused(waiting_anna: httpx2.Client) -> None:
    submit(waiting_anna, many(3), **{"Idempotency-Key": "body"})
    answer = submit(waiting_anna, many(4), **{"Idempotency-Key": "body"})
    assert code_of(answer) == (422, "idempotency_mismatch")


def test_other_settings_under_the_same_key_are_refused_with_the_difference(
    waiting_anna: httpx2.Client,
) -> None:
    headers = {**NDJSON, "Idempotency-Key": "settings"}
    waiting_anna.post("/v1/refinements?wait=0", content=many(3), headers=headers)
    answer = waiting_anna.post("/v1/refinements?wait=0&seed=7", content=many(3), headers=headers)
    assert code_of(answer) == (409, "drift")
    assert "config.seed: 0 -> 7" in answer.json()["error"]["message"]


def test_twenty_threads_with_one_key_make_one_job(idle_gateway: RunningGateway) -> None:
    def post(_: int) -> str:
        with idle_gateway.client() as client:
            job: str = submit(client, many(2000), **{"Idempotency-Key": "race"}).json()["id"]
            return job

    before = set(idle_gateway.store.list("live/anna/", "", 10_000))
    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(post, range(20)))
    after = set(idle_gateway.store.list("live/anna/", "", 10_000))
    assert (len(found), len(after - before)) == (1, 1)


def test_a_key_whose_first_body_failed_can_be_used_again(waiting_anna: httpx2.Client) -> None:
    assert submit(waiting_anna, b"", **{"Idempotency-Key": "again"}).status_code == 400
    assert submit(waiting_anna, many(1), **{"Idempotency-Key": "again"}).status_code == 202


def test_a_key_whose_first_file_was_missing_can_be_used_again(waiting_anna: httpx2.Client) -> None:
    asked = {"operation": "refinements", "input_file_id": "file-none"}
    headers = {"Idempotency-Key": "missing"}
    answers = [waiting_anna.post("/v1/jobs", json=asked, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [404, 404]


def test_a_claim_whose_holder_died_is_taken_over() -> None:
    with RunningGateway("memory:") as running, running.client(None) as client:
        running.house.claims_seconds = 0.0
        before = submit(client, b"", **{"Idempotency-Key": "dead"})
        assert before.status_code == 400
        assert Claim(running.store, "local", "dead", 60.0).take()
        assert submit(client, many(1), **{"Idempotency-Key": "dead"}).status_code == 202


def test_a_job_of_an_uploaded_file_has_its_lines(anna: httpx2.Client) -> None:
    file = upload(anna, many(300), purpose="user_data")["id"]
    asked = {"operation": "refinements", "input_file_id": file, "labels": {"who": "me"}}
    job = anna.post("/v1/jobs", json=asked).json()
    assert (job["lines"], job["source"], job["labels"]) == (300, file, {"who": "me"})


def test_the_same_key_on_the_same_file_gives_the_same_job(waiting_anna: httpx2.Client) -> None:
    asked = {"operation": "refinements", "input_file_id": upload(waiting_anna, many(3))["id"]}
    headers = {"Idempotency-Key": "file"}
    jobs = [waiting_anna.post("/v1/jobs", json=asked, headers=headers).json()["id"] for _ in range(2)]
    assert jobs[0] == jobs[1]


def test_a_job_that_was_decided_before_a_kill_is_accepted_by_the_next_request() -> None:
    with RunningGateway("memory:") as running, running.client(None) as client:
        wish = Wish("local", Operation.REFINE, JobConfig().to_json())
        order = stored(running.store, wish, many(3).splitlines())
        claim = Claim(running.store, "local", "killed", 60.0)
        running.store.put_if_absent(claim.decision.place, order.to_bytes())
        job = submit(client, many(3), **{"Idempotency-Key": "killed"}).json()["id"]
        assert (job, running.desk.live()) == (order.key.job, [order.key])


def test_fifty_clients_at_once_get_fifty_jobs(idle_gateway: RunningGateway) -> None:
    def post(number: int) -> tuple[str, int]:
        with idle_gateway.client() as client:
            job = submit(client, many(1000 + number)).json()
            return job["id"], job["lines"]

    with ThreadPoolExecutor(50) as pool:
        found = dict(pool.map(post, range(50)))
    assert sorted(found.values()) == list(range(1000, 1050))


@pytest.mark.parametrize(
    "asked",
    [
        rb'{"operation":"refinements","input_file_id":"FILE","config":{"author":"\ud800"}}',
        rb'{"operation":"refinements","input_file_id":"FILE","config":{"\ud800":1}}',
        rb'{"operation":"refinements","input_file_id":"FILE","labels":{"a":"\udfff"}}',
        rb'{"operation":"refinements","input_file_id":"FILE","labels":{"\u0000":"a"}}',
        rb'{"operation":"\ud800","input_file_id":"FILE"}',
        rb'{"operation":"refinements","input_file_id":"\ud800"}',
        rb'{"operation":"refinements","input_file_id":"FILE","budget":1e999}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_text_that_has_no_utf_8_form_is_refused(waiting_anna: httpx2.Client, asked: bytes) -> None:
    content = asked.replace(b"FILE", upload(waiting_anna, many(1))["id"].encode())
    answer = waiting_anna.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 404)


def test_a_webhook_to_a_private_address_is_refused(anna: httpx2.Client) -> None:
    file = upload(anna, many(1))["id"]
    asked = {"operation": "refinements", "input_file_id": file, "webhook": "https://169.254.169.254/x"}
    assert anna.post("/v1/jobs", json=asked).json()["error"]["param"] == "webhook"


def test_jobs_are_listed_newest_first_in_pages() -> None:
    with RunningGateway("memory:") as running, running.client(None) as client:
        made = [submit(client, many(1)).json()["id"] for _ in range(5)]
        first = client.get("/v1/jobs?limit=3").json()
        last = client.get(f"/v1/jobs?limit=3&after={first['last_id']}").json()
    assert [job["id"] for job in first["data"] + last["data"]] == made[::-1]


def test_a_cancelled_job_ends(idle_gateway: RunningGateway) -> None:
    with idle_gateway.client() as client:
        job = submit(client, many(600)).json()["id"]
        assert client.post(f"/v1/jobs/{job}/cancel").json()["status"] == "cancelling"
        with DeskWorker(idle_gateway.desk):
            assert ended(client, job)["status"] == "cancelled"


def test_a_job_that_has_not_ended_cant_be_deleted(waiting_anna: httpx2.Client) -> None:
    job = submit(waiting_anna, many(1)).json()["id"]
    assert code_of(waiting_anna.delete(f"/v1/jobs/{job}")) == (400, "invalid_value")


def test_a_deleted_job_leaves_nothing_that_tells_of_its_lines(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        job = submit(client, many(3)).json()["id"]
        ended(client, job)
        assert client.delete(f"/v1/jobs/{job}").status_code == 200
        assert client.get(f"/v1/jobs/{job}").status_code == 404
    assert gateway.store.list(f"t/anna/jobs/{job}/", "", 10) == []


def test_the_key_of_a_deleted_job_doesnt_bring_it_back(anna: httpx2.Client) -> None:
    job = submit(anna, many(3), **{"Idempotency-Key": "gone"}).json()["id"]
    ended(anna, job)
    anna.delete(f"/v1/jobs/{job}")
    assert code_of(submit(anna, many(3), **{"Idempotency-Key": "gone"})) == (404, "not_found")


def test_events_tell_of_a_job_until_its_end(anna: httpx2.Client) -> None:
    job = submit(anna, many(300)).json()["id"]
    events = anna.get(f"/v1/jobs/{job}/events").text.strip().split("\n\n")
    last = dict(line.split(": ", 1) for line in events[-1].splitlines())
    assert (last["event"], json.loads(last["data"])["status"]) == ("end", "completed")


PARQUET = "application/vnd.apache.parquet"


@pytest.mark.parametrize("ask", ["?format=parquet", ""])
def test_parquet_is_written_once_somebody_asks_for_it(
    gateway: RunningGateway, anna: httpx2.Client, ask: str
) -> None:
    job = submit(anna, many(3)).json()["id"]
    ended(anna, job)
    headers = {} if ask else {"Accept": PARQUET}
    first = anna.get(f"/v1/jobs/{job}/results{ask}", headers=headers)
    run(gateway.desk, JobKey("anna", job), Errand.PARQUET)
    second = anna.get(f"/v1/jobs/{job}/results{ask}", headers=headers)
    assert (first.status_code, first.json()["status"], first.headers["Retry-After"]) == (202, "writing", "2")
    assert (second.status_code, second.headers["Content-Type"]) == (200, PARQUET)


def test_parquet_holds_the_records_of_the_lines(gateway: RunningGateway, anna: httpx2.Client) -> None:
    job = submit(anna, many(300)).json()["id"]
    ended(anna, job)
    anna.get(f"/v1/jobs/{job}/results?format=parquet")
    run(gateway.desk, JobKey("anna", job), Errand.PARQUET)
    table = pq.read_table(io.BytesIO(anna.get(f"/v1/jobs/{job}/results?format=parquet").content))
    columns = columns_of(Operation.REFINE)
    found = [record_of(row, columns) for row in table.to_pylist()]
    told = rows(anna.get(f"/v1/jobs/{job}/results"))
    assert [{name: one[name] for name in asked} for one, asked in zip(found, told, strict=True)] == told


def test_parquet_of_a_job_that_runs_is_to_be_waited_for(waiting_anna: httpx2.Client) -> None:
    job = submit(waiting_anna, many(17)).json()["id"]
    answer = waiting_anna.get(f"/v1/jobs/{job}/results?format=parquet")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")


def test_parquet_that_cant_be_written_is_refused_with_a_reason(
    gateway: RunningGateway, anna: httpx2.Client
) -> None:
    job = submit(anna, many(17)).json()["id"]
    ended(anna, job)
    fail(gateway.store, JobKey("anna", job), Errand.PARQUET, "a record does not fit")
    assert code_of(anna.get(f"/v1/jobs/{job}/results?format=parquet")) == (409, "parquet_failed")


def test_parquet_goes_on_behind_no_line(anna: httpx2.Client) -> None:
    job = submit(anna, many(17)).json()["id"]
    assert anna.get(f"/v1/jobs/{job}/results?format=parquet&after=1").json()["error"]["param"] == "after"


def test_two_gateways_on_one_store_make_one_job_of_one_key(tmp_path: Path) -> None:
    store = f"file:{tmp_path}"
    with RunningGateway(store) as first, RunningGateway(store) as second:

        def post(number: int) -> str:
            with (first, second)[number % 2].client(None) as client:
                job: str = submit(client, many(500), **{"Idempotency-Key": "both"}).json()["id"]
                return job

        with ThreadPoolExecutor(10) as pool:
            found = set(pool.map(post, range(10)))
        assert (len(found), len(first.desk.live())) == (1, 1)
