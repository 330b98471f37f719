"""Jobs read from and write to a real S3 server, below the prefixes of their key only."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from desk_worker import DeskWorker
from gateway_asking import Made, code_of, ended, jsonl, trajectory
from running_gateway import RunningGateway
from test_gateway_keys import key_file

from services.pipeline.export.running import run
from shared.errors import FieldError, UnavailableError
from shared.jobs.errands import Errand
from shared.jobs.layout import JobKey
from shared.store import Store, open_store

SERVER = Path(__file__).parents[1] / "store" / "s3_server.py"
BUCKET = "data"
IDENTITY = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def bucket() -> Iterator[Store]:
    """A bucket of a server on loopback."""
    from botocore.session import get_session

    server = subprocess.Popen(
        [sys.executable, str(SERVER)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ
    )
    assert server.stdout
    with pytest.MonkeyPatch.context() as patch:
        for name, value in IDENTITY.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{int(server.stdout.readline())}")
        get_session().create_client("s3").create_bucket(Bucket=BUCKET)
        yield open_store(f"s3://{BUCKET}")
    server.kill()
    server.wait()
    server.stdout.close()


@pytest.fixture(scope="module")
def running(bucket: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A tenant with a prefix, and a worker."""
    bucket.put("acme/in.jsonl", jsonl([*(trajectory(number) for number in range(300)), {"problem": "?"}]))
    bucket.put("acme/empty.jsonl", b"")
    bucket.put("other/in.jsonl", jsonl([trajectory()]))
    file = key_file(tmp_path_factory.mktemp("keys"), prefixes=[f"s3://{BUCKET}/acme/"])
    with RunningGateway("memory:", key_file=file) as started, DeskWorker(started.desk):
        yield started


@pytest.fixture
def acme(running: RunningGateway) -> Iterator[httpx2.Client]:
    with running.client("idk_acme") as opened:
        yield opened


def asked(client: httpx2.Client, **fields: object) -> httpx2.Response:
    return client.post("/v1/jobs", json={"operation": "refinements", **fields})


def delivered(running: RunningGateway, client: httpx2.Client) -> Made:
    """A job that has ended, and whose output was written."""
    made = asked(client, input=f"s3://{BUCKET}/acme/in.jsonl", output=f"s3://{BUCKET}/acme/out/").json()
    job: str = made["id"]
    ended(client, job)
    run(running.desk, JobKey("acme", job), Errand.OUTPUT)
    found: Made = client.get(f"/v1/jobs/{job}").json()
    return found


def test_a_job_reads_its_lines_from_s3(acme: httpx2.Client) -> None:
    job = asked(acme, input=f"s3://{BUCKET}/acme/in.jsonl").json()
    assert (job["lines"], job["source"]) == (301, f"s3://{BUCKET}/acme/in.jsonl")


def test_a_job_writes_its_results_to_s3(running: RunningGateway, acme: httpx2.Client, bucket: Store) -> None:
    job = delivered(running, acme)
    written = bucket.get(f"acme/out/{job['id']}/results.jsonl")
    assert written == acme.get(f"/v1/jobs/{job['id']}/results").content
    assert (job["output"]["status"], len(written.splitlines())) == ("written", 300)


def test_a_job_writes_its_errors_to_s3(running: RunningGateway, acme: httpx2.Client, bucket: Store) -> None:
    job = delivered(running, acme)["id"]
    assert bucket.get(f"acme/out/{job}/errors.jsonl").splitlines() == (
        acme.get(f"/v1/jobs/{job}/errors").content.splitlines()
    )


def test_a_job_without_errors_writes_an_empty_file(
    running: RunningGateway, acme: httpx2.Client, bucket: Store
) -> None:
    bucket.put("acme/good.jsonl", jsonl([trajectory()]))
    job = asked(acme, input=f"s3://{BUCKET}/acme/good.jsonl", output=f"s3://{BUCKET}/acme/out/").json()["id"]
    ended(acme, job)
    run(running.desk, JobKey("acme", job), Errand.OUTPUT)
    assert bucket.get(f"acme/out/{job}/errors.jsonl") == b""


def test_an_output_that_is_there_is_left_as_it_is(
    running: RunningGateway, acme: httpx2.Client, bucket: Store
) -> None:
    made = asked(acme, input=f"s3://{BUCKET}/acme/in.jsonl", output=f"s3://{BUCKET}/acme/out/").json()["id"]
    bucket.put(f"acme/out/{made}/results.jsonl", b"before")
    ended(acme, made)
    run(running.desk, JobKey("acme", made), Errand.OUTPUT)
    assert bucket.get(f"acme/out/{made}/results.jsonl") == b"before"


def test_a_bucket_that_is_not_there_is_told_in_the_job_and_tried_again(bucket: Store, tmp_path: Path) -> None:
    file = key_file(tmp_path, prefixes=["s3://nowhere/acme/", f"s3://{BUCKET}/acme/"])
    with (
        RunningGateway("memory:", key_file=file) as started,
        DeskWorker(started.desk),
        started.client("idk_acme") as client,
    ):
        made = asked(client, input=f"s3://{BUCKET}/acme/in.jsonl", output="s3://nowhere/acme/").json()
        ended(client, made["id"])
        with pytest.raises(UnavailableError):
            run(started.desk, JobKey("acme", made["id"]), Errand.OUTPUT)
        told = client.get(f"/v1/jobs/{made['id']}").json()["output"]
    assert (told["status"], "nowhere" in told["reason"]) == ("waiting", True)


@pytest.mark.parametrize("field", ["input", "output"])
@pytest.mark.parametrize("address", [f"s3://{BUCKET}/other/x", "s3://else/acme/x", f"s3://{BUCKET}/acme2/x"])
def test_a_place_below_no_prefix_of_the_key_is_forbidden(
    acme: httpx2.Client, field: str, address: str
) -> None:
    given = {"input": f"s3://{BUCKET}/acme/in.jsonl", field: address + "/" * (field == "output")}
    assert code_of(asked(acme, **given)) == (403, "prefix_not_allowed")


@pytest.mark.parametrize(
    "address",
    [
        f"s3://{BUCKET}/acme/../other/in.jsonl",
        f"s3://{BUCKET}/acme/./in.jsonl",
        f"s3://{BUCKET}/acme//in.jsonl",
        f"s3://{BUCKET}/acme/%2e%2e/other/in.jsonl",
        f"s3://{BUCKET}/acme/..%2fother/in.jsonl",
        f"s3://{BUCKET}/acme\\..\\other",
        f"s3://{BUCKET}/acme/in.jsonl\n",
        f"s3://{BUCKET}/acme/",
        f"s3://{BUCKET}",
        f"S3://{BUCKET}/acme/in.jsonl",
        f"s3://user@{BUCKET}/acme/in.jsonl",
        f"https://{BUCKET}/acme/in.jsonl",
        "file:/etc/passwd",
        f"s3://{BUCKET}/acme/in.jsonl?versionId=1",
    ],
)
def test_an_address_that_is_not_plain_is_refused(acme: httpx2.Client, address: str) -> None:
    answer = asked(acme, input=address)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


def test_an_object_that_is_not_there_is_not_found(acme: httpx2.Client) -> None:
    assert code_of(asked(acme, input=f"s3://{BUCKET}/acme/nothing.jsonl")) == (404, "not_found")


def test_an_empty_object_is_refused_by_its_field(acme: httpx2.Client) -> None:
    answer = asked(acme, input=f"s3://{BUCKET}/acme/empty.jsonl")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")


@pytest.mark.parametrize("given", [{}, {"input": "s3://data/acme/in.jsonl", "input_file_id": "file-0"}])
def test_a_job_has_exactly_one_source(acme: httpx2.Client, given: dict[str, str]) -> None:
    assert asked(acme, **given).status_code == 400


def test_an_object_that_is_too_long_is_refused(bucket: Store, tmp_path: Path) -> None:
    bucket.put("acme/long.jsonl", jsonl(trajectory(number) for number in range(300)))
    file = key_file(tmp_path, prefixes=[f"s3://{BUCKET}/acme/"])
    with RunningGateway("memory:", key_file=file, upload_bytes=1000) as started:
        with started.client("idk_acme") as client:
            answer = asked(client, input=f"s3://{BUCKET}/acme/long.jsonl")
        left = started.store.list("t/acme/jobs/")
    assert (code_of(answer), left) == ((413, "body_too_large"), [])


def test_the_same_key_with_an_object_that_changed_is_refused(acme: httpx2.Client, bucket: Store) -> None:
    codes = []
    for number in (1, 1, 2):
        bucket.put("acme/changing.jsonl", jsonl([trajectory(number)]))
        body = {"operation": "refinements", "input": f"s3://{BUCKET}/acme/changing.jsonl"}
        codes.append(acme.post("/v1/jobs", json=body, headers={"Idempotency-Key": "same"}).status_code)
    assert codes == [202, 202, 422]


@pytest.mark.parametrize("store", [f"s3://{BUCKET}/acme/store", f"s3://{BUCKET}"])
def test_a_prefix_that_reaches_into_the_store_is_refused(tmp_path: Path, store: str) -> None:
    file = key_file(tmp_path, prefixes=[f"s3://{BUCKET}/acme/"])
    with pytest.raises(FieldError, match="lie in one another"):
        RunningGateway(store, key_file=file)


@pytest.mark.parametrize("prefixes", ["s3://b/a/", ["s3://bucket/a"], ["s3://bucket/"], ["/etc/"], [1]])
def test_a_prefix_that_is_no_folder_is_refused(tmp_path: Path, prefixes: object) -> None:
    with pytest.raises(FieldError, match="prefixes"):
        RunningGateway("memory:", key_file=key_file(tmp_path, prefixes=prefixes))
