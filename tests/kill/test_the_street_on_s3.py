"""The whole street with its store in S3, on a real server: what holds on a disk holds there."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from bucket import served
from house import House, eventually
from street import LINES, Account, Street

from shared.jobs.layout import JobKey
from shared.jobs.order import JobOrder, JobState, Operation
from shared.store.s3_upload import PART_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def in_s3(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> Iterator[Street]:
    """Gateway, Redis, student, oracle and one host with two workers."""
    with served():
        opened = Street(tmp_path_factory.mktemp("in-s3"), 4, "s3://data/store")
        try:
            opened.fit(body)
            yield opened
        finally:
            opened.close()


@pytest.fixture(scope="module")
def ended(in_s3: Street, body: bytes) -> tuple[JobOrder, Account]:
    """A job to which nothing happens, and what it comes to."""
    order = in_s3.post(body)
    return order, in_s3.account(order)


@pytest.fixture(scope="module")
def on_disk(
    in_s3: Street, ended: tuple[JobOrder, Account], body: bytes, tmp_path_factory: pytest.TempPathFactory
) -> bytes:
    """Records of the same lines and settings from a store on a disk, worked with the same engines."""
    house = House(tmp_path_factory.mktemp("on-disk"))
    house.addresses = in_s3.house.addresses
    house.workers()
    order = house.submit(body.splitlines(), **ended[0].config)
    house.end_of(order)
    house.close()
    return house.records(order)


def from_file(street: Street, operation: Operation, body: bytes) -> JobOrder:
    """An accepted job of an uploaded file."""
    asked = {"operation": operation, "input_file_id": street.upload(body)}
    if operation is Operation.REFINE:
        asked["config"] = {"profile": street.profile}
    found = street.answer("POST", "/v1/jobs", json=asked)
    assert found.status_code == 202, found.text
    return street.house.desk.order(JobKey("local", found.json()["id"]))


def test_records_are_those_of_a_store_on_a_disk(ended: tuple[JobOrder, Account], on_disk: bytes) -> None:
    assert ended[1] == Account("completed", LINES, True, on_disk)


def test_a_job_outlives_workers_that_are_killed(
    in_s3: Street, ended: tuple[JobOrder, Account], body: bytes
) -> None:
    order = in_s3.post(body)
    in_s3.reaches(order, 0.25)
    with in_s3.resumed(order):
        in_s3.restart("workers")
    assert in_s3.account(order) == ended[1]


def test_an_uploaded_file_gives_the_same_records(
    in_s3: Street, ended: tuple[JobOrder, Account], body: bytes
) -> None:
    assert in_s3.account(from_file(in_s3, Operation.REFINE, body)) == ended[1]


def test_a_file_of_several_parts_comes_back_as_it_was_sent(in_s3: Street, body: bytes) -> None:
    content = body * (1 + PART_BYTES // len(body))
    path = f"/v1/files/{in_s3.upload(content)}/content"
    assert in_s3.answer("GET", path).content == content


def test_parquet_holds_all_records(in_s3: Street, ended: tuple[JobOrder, Account]) -> None:
    path = f"/v1/jobs/{ended[0].key.job}/results?format=parquet"
    eventually(lambda: in_s3.answer("GET", path).status_code == 200, "the export")
    table = pq.read_table(io.BytesIO(in_s3.answer("GET", path).content))
    assert table.column("line").to_pylist() == [*range(1, LINES + 1)]


def test_a_cancelled_job_keeps_what_was_finished(in_s3: Street, body: bytes) -> None:
    order = from_file(in_s3, Operation.VERIFY, body * 40)
    eventually(lambda: in_s3.house.decided(order) >= 1, "the first shard")
    in_s3.answer("POST", f"/v1/jobs/{order.key.job}/cancel")
    end = in_s3.house.end_of(order)
    kept = in_s3.answer("GET", f"/v1/jobs/{order.key.job}/results").content.splitlines()
    assert end.state is JobState.CANCELLED
    assert 0 < len(kept) == sum(end.counts.values()) < order.lines


def test_a_deleted_job_leaves_nothing_but_its_trace(in_s3: Street, body: bytes) -> None:
    order = from_file(in_s3, Operation.VERIFY, body)
    in_s3.house.end_of(order)
    path = f"/v1/jobs/{order.key.job}"
    in_s3.answer("DELETE", path)
    left = in_s3.house.store.list(order.key.folder)
    assert (in_s3.answer("GET", path).status_code, left) == (404, [])
