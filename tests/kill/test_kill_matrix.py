"""Kill -9 of every part at three stages of a job, lost memory, a full disk, a cut network: nothing is lost.

The ordinary suite kills all parts within one short job, once for each stage. `make test-kill` gives every
kill a job of 2,000 trajectories of its own, and keeps the network away for longer than any time limit of a
socket.
"""

from __future__ import annotations

import json
import uuid

import httpx2
import pytest
from house import eventually
from street import LONG, NDJSON, Account, Street, cut, full

from shared.jobs.order import JobOrder

PARTS = ("gateway", "workers", "student", "oracle", "redis")
STAGES = (0.0, 0.25, 0.7)
CUT_SECONDS = 40.0 if LONG else 6.0

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("share", STAGES if LONG else STAGES[1:2])
@pytest.mark.parametrize("names", [(name,) for name in PARTS] if LONG else [PARTS], ids="-".join)
def test_a_job_outlives_parts_that_are_killed(
    street: Street, body: bytes, undisturbed: Account, names: tuple[str, ...], share: float
) -> None:
    order = street.post(body)
    street.reaches(order, share)
    with street.resumed(order):
        for name in names:
            street.restart(name)
    assert street.account(order) == undisturbed


@pytest.mark.skipif(not LONG, reason="tests/pipeline does so in short: part of make test-kill")
@pytest.mark.parametrize("share", STAGES)
def test_a_job_outlives_a_redis_that_forgets_everything(
    street: Street, body: bytes, undisturbed: Account, share: float
) -> None:
    order = street.post(body)
    street.reaches(order, share)
    with street.resumed(order):
        street.house.redis.flushall()
    assert street.account(order) == undisturbed


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@pytest.mark.long
@pytest.mark.parametrize("share", STAGES if LONG else STAGES[1:2])
def test_a_job_outlives_a_network_that_is_cut(
    street: Street, body: bytes, undisturbed: Account, share: float
) -> None:
    addresses = street.house.addresses
    redis, redis_port = street.wire("redis-wire", street.house.port)
    student, student_port = street.wire("student-wire", port_of(addresses["student"]))
    oracle, oracle_port = street.wire("oracle-wire", port_of(addresses["oracle"]))
    street.workers(
        IDIOLECT_REDIS=f"redis://127.0.0.1:{redis_port}/0",
        IDIOLECT_STUDENT=f"127.0.0.1:{student_port}",
        IDIOLECT_ORACLE=f"127.0.0.1:{oracle_port}",
    )
    order = street.post(body)
    street.reaches(order, share)
    with street.resumed(order), cut([redis, student, oracle], CUT_SECONDS):
        pass
    found = street.account(order)
    street.workers()
    for wire in (redis, student, oracle):
        wire.kill()
    assert found == undisturbed


@pytest.mark.parametrize("share", STAGES if LONG else STAGES[1:2])
def test_a_job_says_that_the_disk_is_full_and_goes_on_once_there_is_room(
    street: Street, body: bytes, undisturbed: Account, share: float
) -> None:
    if not street.disk:
        pytest.skip("a disk of a few MiB can't be mounted here: that takes the rights of root")
    order = street.post(body)
    street.reaches(order, share)
    with street.resumed(order), full(street.house.store.root):  # type: ignore[attr-defined]
        why = eventually(lambda: street.shown(order)["reason"], "a reason")
    assert (street.account(order), "no space left" in why) == (undisturbed, True)


def halves(street: Street, body: bytes) -> object:
    """A body whose sender sees the gateway killed in the middle."""
    yield body[: len(body) // 2]
    street.house.named["gateway"].kill()
    yield body[len(body) // 2 :]


def test_a_body_that_was_cut_off_by_a_kill_leaves_no_job(street: Street, body: bytes) -> None:
    before = street.answer("GET", "/v1/jobs").json()["data"]
    with pytest.raises(httpx2.TransportError), street.client as client:
        client.post("/v1/refinements?wait=0", content=halves(street, body), headers=NDJSON)
    street.house.named["gateway"].start()
    assert street.answer("GET", "/v1/jobs").json()["data"] == before


@pytest.mark.skipif(not LONG, reason="a claim is taken over after half a minute: part of make test-kill")
def test_the_key_of_a_body_that_was_cut_off_by_a_kill_makes_one_job(
    street: Street, body: bytes, undisturbed: Account
) -> None:
    headers = {**NDJSON, "Idempotency-Key": str(uuid.uuid4())}
    with pytest.raises(httpx2.TransportError), street.client as client:
        client.post("/v1/refinements?wait=0", content=halves(street, body), headers=headers)
    street.house.named["gateway"].start()
    twice = [
        street.answer("POST", "/v1/refinements?wait=0", content=body, headers=headers).json()["id"]
        for _ in range(2)
    ]
    assert twice[0] == twice[1]


def test_results_that_were_cut_off_by_a_kill_go_on_behind_the_last_line(
    street: Street, finished: JobOrder, undisturbed: Account
) -> None:
    path = f"/v1/jobs/{finished.key.job}/results"
    got = b""
    with street.client as client, client.stream("GET", path) as answer:
        got += next(answer.iter_raw())
        street.restart("gateway")
    whole = got[: got.rindex(b"\n") + 1]
    last = json.loads(whole.splitlines()[-1])["line"]
    rest = street.answer("GET", f"{path}?after={last}").content
    assert whole + rest == undisturbed.records
