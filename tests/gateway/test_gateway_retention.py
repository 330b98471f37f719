"""Files go when their time is over; the time is told to the collector."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from gateway_asking import jsonl, trajectory, upload
from running_gateway import RunningGateway
from test_gateway_keys import key_file

from services.gateway.expiring import FileCollector
from shared.jobs.ids import new_id

DAY = 86_400.0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningGateway]:
    """A tenant whose files are kept for a week; batches wait."""
    file = key_file(tmp_path, retention_days=7)
    with RunningGateway("memory:", key_file=file, sweep_seconds=3600) as started:
        yield started


@pytest.fixture
def acme(running: RunningGateway) -> Iterator[httpx2.Client]:
    with running.client("idk_acme") as opened:
        yield opened


def collector(running: RunningGateway) -> FileCollector:
    found: FileCollector = running.app.state.collector
    return found


def listed(client: httpx2.Client) -> list[str]:
    return [file["id"] for file in client.get("/v1/files").json()["data"]]


def test_a_file_is_deleted_when_its_time_is_over(running: RunningGateway, acme: httpx2.Client) -> None:
    upload(acme, jsonl([trajectory()]))
    assert (collector(running).collect(time.time() + 8 * DAY), listed(acme)) == (1, [])


def test_a_file_stays_until_its_time_is_over(running: RunningGateway, acme: httpx2.Client) -> None:
    file = upload(acme, jsonl([trajectory()]))["id"]
    assert (collector(running).collect(time.time() + 6 * DAY), listed(acme)) == (0, [file])


def test_a_file_that_an_open_batch_needs_stays(running: RunningGateway, acme: httpx2.Client) -> None:
    file = upload(acme, b"not a batch")["id"]
    asked = {"input_file_id": file, "endpoint": "/v1/verifications", "completion_window": "24h"}
    batch = acme.post("/v1/batches", json=asked).json()["id"]
    running.store.put(f"live-batches/acme/{batch}", b"")
    assert collector(running).collect(time.time() + 8 * DAY) == 0


def test_content_without_a_name_goes_once_it_was_seen_for_a_day(running: RunningGateway) -> None:
    running.store.put(f"t/acme/files/{new_id('file')}/content", b"half")
    now = time.time()
    assert [collector(running).collect(now + days * DAY) for days in (0, 0.5, 1.1)] == [0, 0, 1]


def test_a_tenant_without_retention_keeps_its_files() -> None:
    with RunningGateway("memory:") as started, started.client(None) as client:
        upload(client, jsonl([trajectory()]))
        assert collector(started).collect(time.time() + 4000 * DAY) == 0
