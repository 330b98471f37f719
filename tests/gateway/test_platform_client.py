"""The Python client of the gateway: jobs over ways that break, errors as they were raised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from answering_server import Answer, AnsweringServer
from cutting import CuttingWay
from desk_worker import DeskWorker
from engines import Engines
from gateway_asking import jsonl, trajectory
from running_gateway import ANNA, KEYS, RunningGateway

from services.gateway.errors import respond
from shared.clients.platform import Job, PlatformClient
from shared.clients.platform.refusals import refusal
from shared.errors import (
    BudgetError,
    BusyError,
    DriftError,
    FieldError,
    IdiolectError,
    InputError,
    IntegrityError,
    MismatchError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from shared.jobs.order import JobState

SAMPLES = (Path(__file__).parents[2] / "data" / "demo" / "gpt3_6b.jsonl").read_bytes().splitlines()


@pytest.fixture
def platform(gateway: RunningGateway) -> Iterator[PlatformClient]:
    with PlatformClient(gateway.url, ANNA) as client:
        yield client


def done(client: PlatformClient, items: Any) -> Job:
    """An ended job."""
    return list(client.watch(client.submit(items).id))[-1]


def many(number: int) -> list[dict[str, Any]]:
    return [trajectory(each) for each in range(number)]


def lines(rows: Iterator[bytes]) -> list[int]:
    return [json.loads(row)["line"] for row in rows]


def test_a_job_of_objects_gives_a_record_a_line(platform: PlatformClient) -> None:
    assert lines(platform.results(done(platform, many(300)).id)) == list(range(1, 301))


def test_a_job_of_a_file_gives_its_errors_by_line(platform: PlatformClient, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl([trajectory(), {"problem": "?"}, trajectory()]))
    assert lines(platform.errors(done(platform, source).id)) == [2]


def test_results_go_on_behind_a_line(platform: PlatformClient) -> None:
    assert lines(platform.results(done(platform, many(5)).id, after=3)) == [4, 5]


def test_settings_of_a_job_arrive(platform: PlatformClient) -> None:
    job = platform.submit(many(2), config={"lambda": 2.5, "segment": True, "gate": None})
    assert (job.config["lambda"], job.config["segment"], job.config["gate"]) == (2.5, True, "enforce")


def test_a_job_whose_answer_was_lost_is_made_once() -> None:
    with (
        RunningGateway("memory:", keys=KEYS) as own,
        CuttingWay(own.address, cuts=2, size=40) as way,
        PlatformClient(way.url, ANNA) as client,
    ):
        job = client.submit(many(40))
        assert (way.spent, [one.id for one in client.jobs()]) == (True, [job.id])


def test_an_iterator_is_not_sent_twice(gateway: RunningGateway) -> None:
    with (
        CuttingWay(gateway.address, cuts=1, size=10) as way,
        PlatformClient(way.url, ANNA) as client,
        pytest.raises(UnavailableError, match="does not answer"),
    ):
        client.submit(iter(many(3)))


def test_all_jobs_are_listed_over_several_pages() -> None:
    with RunningGateway("memory:", keys=KEYS) as own, PlatformClient(own.url, ANNA) as client:
        made = [client.submit(many(1)).id for _ in range(103)]
        assert [job.id for job in client.jobs()] == made[::-1]


def test_results_that_break_off_are_gone_on_with(gateway: RunningGateway, platform: PlatformClient) -> None:
    job = done(platform, many(600)).id
    with CuttingWay(gateway.address, cuts=4, size=9000) as way, PlatformClient(way.url, ANNA) as client:
        assert (lines(client.results(job)), way.spent) == (list(range(1, 601)), True)


def test_a_watch_that_breaks_off_is_connected_anew() -> None:
    with (
        RunningGateway("memory:", keys=KEYS) as own,
        CuttingWay(own.address, cuts=3, size=700) as way,
        PlatformClient(way.url, ANNA) as client,
    ):
        watching = client.watch(client.submit(many(3)).id)
        first = next(watching)
        with DeskWorker(own.desk):
            last = list(watching)[-1]
    assert (first.status, last.status, way.spent) == (JobState.QUEUED, JobState.COMPLETED, True)


def shown(status: str) -> bytes:
    job = {"id": "job-1", "operation": "scores", "status": status, "created_at": 1.0, "ended_at": None}
    return json.dumps({**job, "lines": 1, "counts": {}, "config": {}, "news": 1}).encode()


@pytest.mark.parametrize("events", [(404, {}, b"{}"), (200, {"Content-Type": "text/html"}, b"<p>")])
def test_a_job_is_asked_for_where_no_events_are_told(events: Answer) -> None:
    states = iter(["queued", "running", "running", "completed"])

    def answer(path: str) -> Answer:
        return events if path.endswith("/events") else (200, {}, shown(next(states)))

    with AnsweringServer(answer) as server, PlatformClient(server.url) as client:
        told = [job.status.value for job in client.watch("job-1", poll_seconds=0.01)]
    assert told == ["queued", "running", "completed"]


def test_a_busy_gateway_is_asked_again() -> None:
    number = count()
    busy = respond(BusyError("the gateway drains", 0.01))

    def answer(path: str) -> Answer:
        if next(number) < 2:
            return busy.status_code, {"Retry-After": "0"}, bytes(busy.body)
        return 200, {}, shown("running")

    with AnsweringServer(answer) as server, PlatformClient(server.url) as client:
        assert client.job("job-1").status is JobState.RUNNING


def test_nobody_waits_longer_than_the_patience_allows() -> None:
    busy = respond(BusyError("the gateway drains", 3600.0))

    def answer(path: str) -> Answer:
        return busy.status_code, {"Retry-After": busy.headers["Retry-After"]}, bytes(busy.body)

    with (
        AnsweringServer(answer) as server,
        PlatformClient(server.url, patience=5) as client,
        pytest.raises(BusyError) as caught,
    ):
        client.job("job-1")
    assert caught.value.retry_after == 3600


def test_a_gateway_that_is_not_there_is_told_with_its_address() -> None:
    lost = pytest.raises(UnavailableError, match=r"http://127\.0\.0\.1:9 does not answer")
    with PlatformClient("http://127.0.0.1:9", patience=0) as client, lost:
        client.job("job-1")


def test_what_is_no_gateway_is_told_as_such() -> None:
    with (
        AnsweringServer(lambda _: (200, {}, b"hello")) as server,
        PlatformClient(server.url, patience=0) as client,
        pytest.raises(UnavailableError, match="is no gateway"),
    ):
        client.job("job-1")


@pytest.mark.parametrize(
    "error",
    [
        FieldError("steps[2]", "is empty; or blank", "write something"),
        InputError("too few solutions"),
        NotFoundError("job x: there is no such job"),
        DriftError(("seed: 1 -> 2", "alpha: 0.1 -> 0.2")),
        MismatchError("aaa", "bbb"),
        BusyError("the model is being loaded", 5.0),
        UnavailableError("the store can't be reached"),
        UnsupportedError("this engine gives no scores"),
        BudgetError("no tokens are left"),
        IntegrityError("a shard is broken"),
        IdiolectError("it failed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_raised_as_the_gateway_met_it(error: IdiolectError) -> None:
    answer = respond(error)
    found = refusal(answer.status_code, bytes(answer.body), answer.headers.get("Retry-After"))
    assert (type(found), found.args) == (type(error), error.args)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(502, UnavailableError), (504, UnavailableError), (403, InputError), (301, InputError)],
)
def test_what_stands_between_is_told_from_the_gateway(status: int, kind: type[IdiolectError]) -> None:
    assert type(refusal(status, b"<html>")) is kind


def test_a_wrong_key_names_the_key(gateway: RunningGateway) -> None:
    with PlatformClient(gateway.url, "idk_nobodys") as client, pytest.raises(FieldError) as caught:
        client.submit(many(1))
    assert caught.value.field == "key"


def test_a_setting_that_can_not_be_used_is_named(platform: PlatformClient) -> None:
    with pytest.raises(FieldError) as caught:
        platform.submit(many(1), config={"alpha": 7})
    assert caught.value.field == "alpha"


def test_the_same_name_with_other_settings_is_a_drift(platform: PlatformClient) -> None:
    platform.submit(many(1), config={"seed": 1}, idempotency_key="drift")
    with pytest.raises(DriftError) as caught:
        platform.submit(many(1), config={"seed": 2}, idempotency_key="drift")
    assert caught.value.differences == ("config.seed: 1 -> 2",)


def test_a_stored_file_becomes_a_job_with_labels(platform: PlatformClient, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl(many(3)))
    job = platform.submit_stored(platform.upload(source), labels={"team": "algebra"}, budget=100_000)
    assert (job.lines, job.labels) == (3, {"team": "algebra"})


def test_a_stored_file_that_is_not_there_is_told(platform: PlatformClient) -> None:
    with pytest.raises(NotFoundError, match="file"):
        platform.submit_stored("file-0123456789abcdef0123456789abcdef")


def test_a_deleted_job_is_not_there(platform: PlatformClient) -> None:
    job = done(platform, many(1)).id
    platform.delete(job)
    with pytest.raises(NotFoundError):
        platform.job(job)


def test_a_job_is_cancelled(idle_gateway: RunningGateway) -> None:
    with PlatformClient(idle_gateway.url, ANNA) as client:
        assert client.cancel(client.submit(many(1)).id).status is JobState.CANCELLING


@pytest.fixture(scope="module")
def asked(engines: Engines) -> Iterator[PlatformClient]:
    """Before a real student and a real oracle."""
    student, oracle = engines.student.address, engines.oracle.address
    with (
        RunningGateway("memory:", keys=KEYS, student=student, oracle=oracle) as running,
        PlatformClient(running.url, ANNA) as client,
    ):
        yield client


def test_a_student_is_built_and_scores(asked: PlatformClient) -> None:
    items = [json.loads(sample) for sample in SAMPLES]
    samples = [
        (item["problem"], item["text"] if "text" in item else "\n".join(item["steps"])) for item in items
    ]
    student = asked.build_student("mine", samples)
    (score,) = asked.scores(samples[:1], student.id, tokens=True)
    assert [one.id for one in asked.students()] == [student.id]
    assert score.token_scores is not None
    assert (asked.student(student.id), score.tokens) == (student, len(score.token_scores))


def test_answers_are_verified(asked: PlatformClient) -> None:
    found = asked.verifications([("So the answer is 42.", "42"), ("So the answer is 41.", "42")])
    assert [one.verdict for one in found] == ["correct", "incorrect"]
