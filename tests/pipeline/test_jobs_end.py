"""Jobs over real processes end as a run in one process does, whatever is killed meanwhile."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from house import LINES, House, Part, eventually

from shared.jobs.interactive import Asked, ask
from shared.jobs.order import JobOrder, JobState, Operation


def test_a_job_ends_with_the_bytes_of_a_run_in_one_process(
    house: House, fitted: tuple[JobOrder, JobState], undisturbed: tuple[str, bytes]
) -> None:
    order, state = fitted
    assert (state, house.records(order)) == (JobState.COMPLETED, undisturbed[1])


def test_the_profile_is_that_of_a_run_in_one_process(
    house: House, fitted: tuple[JobOrder, JobState], undisturbed: tuple[str, bytes]
) -> None:
    prepared = house.desk.prepared(fitted[0])
    assert prepared is not None
    assert prepared.profile == undisturbed[0]


@pytest.mark.long
def test_killing_all_workers_in_the_middle_loses_and_doubles_nothing(
    house: House, fitted: tuple[JobOrder, JobState], undisturbed: tuple[str, bytes], lines: list[bytes]
) -> None:
    first = house.workers()
    order = house.submit(lines, profile=undisturbed[0])
    eventually(lambda: house.decided(order) >= 1, "the first shard")
    first.kill()
    second = house.workers()
    house.end_of(order)
    second.kill()
    assert house.records(order) == undisturbed[1]


def test_a_redis_that_forgets_everything_in_the_middle_loses_nothing(
    house: House,
    workers: Part,
    fitted: tuple[JobOrder, JobState],
    undisturbed: tuple[str, bytes],
    lines: list[bytes],
) -> None:
    order = house.submit(lines, profile=undisturbed[0])
    eventually(lambda: house.decided(order) >= 1, "the first shard")
    house.redis.flushall()
    house.end_of(order)
    assert house.records(order) == undisturbed[1]


def test_a_hundred_equal_lines_give_a_hundred_records(
    house: House, workers: Part, real_lines: list[bytes]
) -> None:
    order = house.submit([real_lines[0]] * 100, scorer="none")
    house.end_of(order)
    assert [number for number, _ in house.desk.results(order)] == list(range(1, 101))


def test_a_bad_line_is_recorded_and_the_job_goes_on(
    house: House, workers: Part, real_lines: list[bytes]
) -> None:
    order = house.submit([real_lines[0], b"{no json", b"", real_lines[1]], Operation.VERIFY)
    end = house.end_of(order)
    assert (end.state, end.counts["bad"], [n for n, _ in house.desk.errors(order)]) == (
        JobState.COMPLETED,
        1,
        [2],
    )


def test_a_cancelled_job_ends_soon_and_keeps_what_was_finished(
    house: House, workers: Part, lines: list[bytes]
) -> None:
    order = house.submit(lines * 8, scorer="none")
    eventually(lambda: house.decided(order) >= 1, "the first shard")
    house.desk.cancel(order)
    end = house.end_of(order, 30)
    kept = len(list(house.desk.results(order)))
    assert end.state is JobState.CANCELLED
    assert 0 < kept == sum(end.counts.values()) < LINES * 8


def test_a_small_job_is_not_starved_by_a_huge_one(
    house: House, workers: Part, real_lines: list[bytes]
) -> None:
    huge = house.submit(real_lines * 8, Operation.VERIFY, "huge", lines_a_shard=16)
    eventually(lambda: house.decided(huge) >= 2, "the huge job's begin")
    small = house.submit(real_lines[:16], Operation.VERIFY, "small", lines_a_shard=16)
    before = house.decided(huge)
    house.end_of(small)
    between = house.decided(huge) - before
    house.desk.cancel(huge)
    house.end_of(huge)
    assert between < huge.shards // 4


def test_who_waits_is_answered_without_a_job(house: House, workers: Part, real_lines: list[bytes]) -> None:
    told = ask(house.redis, Asked(Operation.VERIFY, {}, real_lines[:3]), 60)
    assert told is not None
    assert [line for line, *_ in told.lines] == [1, 2, 3]


def test_a_question_that_got_lost_with_its_worker_is_asked_again(
    house: House, real_lines: list[bytes]
) -> None:
    asked = Asked(Operation.VERIFY, {}, real_lines[:3])
    with ThreadPoolExecutor(1) as caller:
        told = caller.submit(ask, house.redis, asked, 60)
        eventually(lambda: house.redis.rpop("idiolect:interactive"), "the question")
        part = house.workers()
        found = told.result()
    part.kill()
    assert found is not None


def test_who_waits_learns_what_is_wrong_with_the_request(house: House, workers: Part) -> None:
    told = ask(house.redis, Asked(Operation.REFINE, {"colour": 1}, [b"{}"]), 60)
    assert told is not None
    assert told.kind == "FieldError"


def test_too_few_lines_for_a_profile_fail_the_job_with_a_reason(
    house: House, workers: Part, real_lines: list[bytes]
) -> None:
    order = house.submit(real_lines[:10])
    end = house.end_of(order)
    assert end.state is JobState.FAILED
    assert "200" in (end.reason or "")


def test_a_line_that_kills_its_workers_is_found_and_recorded_as_failed(
    house: House, real_lines: list[bytes]
) -> None:
    item = json.loads(real_lines[5])
    poison = json.dumps({**item, "problem": "this line kills " + item["problem"]}).encode()
    given = [*real_lines[:20], poison, *real_lines[20:39]]
    part = house.workers(MODULE="tests.pipeline.deadly_host")
    order = house.submit(given, scorer="none", lines_a_shard=40)
    house.end_of(order)
    part.kill()
    outcomes = [json.loads(record)["outcome"] for _, record in house.desk.results(order)]
    assert [place for place, outcome in enumerate(outcomes) if outcome == "failed"] == [20]
    assert len(outcomes) == 40


def test_a_host_that_ends_gives_its_shards_back(house: House, lines: list[bytes]) -> None:
    part = house.workers()
    order = house.submit(lines * 4, scorer="none", lines_a_shard=512)
    eventually(lambda: house.store.list(f"{order.key.folder}shards/000000/segments/"), "a segment")
    part.process.terminate()
    part.process.wait(30)
    given_back = [key for key in house.store.list(f"{order.key.folder}shards/") if key.endswith(".back")]
    house.desk.cancel(order)
    assert given_back
