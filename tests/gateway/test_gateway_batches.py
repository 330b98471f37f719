"""Batches, asked for by the official client as it is."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from desk_worker import DeskWorker
from gateway_asking import jsonl, trajectory
from openai import BadRequestError, ConflictError, NotFoundError, OpenAI
from openai.types import Batch
from running_gateway import ANNA, RunningGateway

DONE = ("completed", "failed", "cancelled")


@pytest.fixture
def openai(gateway: RunningGateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=ANNA, max_retries=0) as client:
        yield client


def request(custom_id: str, body: object, **other: object) -> dict[str, object]:
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/refinements", "body": body, **other}


def begin(client: OpenAI, content: bytes, **more: Any) -> Batch:
    file = client.files.create(file=("requests.jsonl", io.BytesIO(content)), purpose="batch")
    endpoint: Any = "/v1/refinements"
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more)


def poll(client: OpenAI, batch: Batch) -> Batch:
    """The batch once it has ended."""
    pause = threading.Event()
    for _ in range(600):
        batch = client.batches.retrieve(batch.id)
        if batch.status in DONE:
            return batch
        pause.wait(0.05)
    raise AssertionError(f"it is still {batch.status}")


def lines_of(client: OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def test_a_batch_goes_from_upload_to_output(openai: OpenAI) -> None:
    content = jsonl(request(f"r{number}", trajectory(number)) for number in range(300))
    batch = poll(openai, begin(openai, content))
    output = lines_of(openai, batch.output_file_id)
    assert batch.status == "completed"
    assert [line["custom_id"] for line in output] == [f"r{number}" for number in range(300)]
    assert output[7]["response"]["body"]["refined"]["text"] == "7 + 1 = 8"


def test_requests_that_fail_stand_in_the_error_file(openai: OpenAI) -> None:
    content = jsonl([request("good", trajectory()), request("bad", {"problem": "?"})])
    batch = poll(openai, begin(openai, content))
    errors = lines_of(openai, batch.error_file_id)
    assert [(line["custom_id"], line["response"]) for line in errors] == [("bad", None)]
    assert "solution" in errors[0]["error"]["message"]


def test_requests_are_counted_by_how_they_ended(openai: OpenAI) -> None:
    content = jsonl([request("good", trajectory()), request("bad", {}), request("worse", {"problem": 1})])
    counts = poll(openai, begin(openai, content)).request_counts
    assert counts is not None
    assert (counts.total, counts.completed, counts.failed) == (3, 1, 2)


def test_where_nothing_fails_there_is_no_error_file(openai: OpenAI) -> None:
    assert poll(openai, begin(openai, jsonl([request("a", trajectory())]))).error_file_id is None


def test_metadata_comes_back(openai: OpenAI) -> None:
    batch = begin(openai, jsonl([request("a", trajectory())]), metadata={"run": "7"})
    assert openai.batches.retrieve(batch.id).metadata == {"run": "7"}


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"{broken\n", "invalid_json_line", 1),
        (jsonl([request("a", {}), request("a", {})]), "duplicate_custom_id", 2),
        (jsonl([request("a", {}, method="GET")]), "invalid_request", 1),
        (jsonl([request("a", {}, url="/v1/scores")]), "invalid_request", 1),
        (jsonl([request("a", "text")]), "invalid_request", 1),
        (jsonl([request("", {})]), "invalid_request", 1),
        (b"[]\n", "invalid_json_line", 1),
        (jsonl([request("a", {})]) + b"\n" + b"nothing", "invalid_json_line", 3),
        (b"", "invalid_file", None),
    ],
)
def test_a_file_with_a_bad_line_fails_the_batch(
    openai: OpenAI, content: bytes, code: str, line: int | None
) -> None:
    batch = poll(openai, begin(openai, content))
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [(fault.code, fault.line) for fault in batch.errors.data or []] == [(code, line)]


def test_a_batch_without_its_file_is_refused(openai: OpenAI) -> None:
    endpoint: Any = "/v1/refinements"
    with pytest.raises(BadRequestError, match="input_file_id"):
        openai.batches.create(input_file_id="file-none", endpoint=endpoint, completion_window="24h")


def test_an_endpoint_that_isnt_there_is_refused(openai: OpenAI) -> None:
    file = openai.files.create(file=io.BytesIO(b"{}\n"), purpose="batch")
    with pytest.raises(BadRequestError, match="endpoint"):
        openai.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")


def test_a_batch_that_isnt_there_is_not_found(openai: OpenAI) -> None:
    with pytest.raises(NotFoundError):
        openai.batches.retrieve("batch-none")


def test_batches_are_listed_newest_first_by_the_clients_own_paging() -> None:
    with RunningGateway("memory:") as running, OpenAI(base_url=f"{running.url}/v1", api_key="-") as client:
        made = [begin(client, jsonl([request("a", trajectory())])).id for _ in range(5)]
        assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]


def test_a_batch_that_nobody_works_on_can_be_cancelled(idle_gateway: RunningGateway) -> None:
    with OpenAI(base_url=f"{idle_gateway.url}/v1", api_key=ANNA) as client:
        batch = begin(client, jsonl([request("a", trajectory())]))
        assert client.batches.cancel(batch.id).status == "cancelling"
        with DeskWorker(idle_gateway.desk):
            assert poll(client, batch).status == "cancelled"


def test_a_batch_is_gone_on_with_by_the_next_gateway(tmp_path: Any) -> None:
    store = f"file:{tmp_path}"
    with RunningGateway(store) as first, OpenAI(base_url=f"{first.url}/v1", api_key="-") as client:
        batch = begin(client, jsonl([request("a", trajectory())]))
    with (
        RunningGateway(store) as second,
        DeskWorker(second.desk),
        OpenAI(base_url=f"{second.url}/v1", api_key="-") as client,
    ):
        assert poll(client, batch).status == "completed"


def test_files_page_by_the_clients_own_paging() -> None:
    with RunningGateway("memory:") as running, OpenAI(base_url=f"{running.url}/v1", api_key="-") as client:
        made = [client.files.create(file=io.BytesIO(b"x"), purpose="batch").id for _ in range(5)]
        assert [file.id for file in client.files.list(limit=2)] == made[::-1]


def test_the_client_deletes_a_file(openai: OpenAI) -> None:
    file = openai.files.create(file=io.BytesIO(b"x"), purpose="batch")
    assert openai.files.delete(file.id).deleted


def test_a_file_that_an_open_batch_needs_is_kept(idle_gateway: RunningGateway) -> None:
    with OpenAI(base_url=f"{idle_gateway.url}/v1", api_key=ANNA) as client:
        batch = begin(client, jsonl([request("a", trajectory())]))
        with pytest.raises(ConflictError, match="is needed by"):
            client.files.delete(batch.input_file_id)
