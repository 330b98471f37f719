"""Webhooks are told how jobs ended, by a real receiver on loopback, which is allowed here."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator

import pytest
from house import House, eventually
from receiver import Receiver

from services.pipeline.upkeep.sending import Sender
from services.pipeline.upkeep.telling import GIVEN_UP_SECONDS, OUTPUT_SECONDS, Teller
from shared.errors import FieldError, UnavailableError
from shared.jobs.errands import Errand, settle
from shared.jobs.ids import new_id
from shared.jobs.intake import accept
from shared.jobs.layout import JobKey
from shared.jobs.order import JobEnd, JobOrder, JobState, Operation
from shared.jobs.webhooks import is_genuine
from shared.tenants import Promise

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ENDED = 1_800_000_000.0


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A store and Redis, and nobody who works."""
    house = House(tmp_path_factory.mktemp("quiet"))
    yield house
    house.close()


def ended_job(house: House, url: str, output: str | None = None) -> JobOrder:
    """A job that has just ended, with a webhook."""
    key = JobKey("acme", new_id("job"))
    labels = {"run": "7"}
    order = JobOrder(
        key, Operation.VERIFY, {}, {}, 1, 1, ENDED - 5, webhook=url, labels=labels, output=output
    )
    assert accept(house.store, order)
    house.desk.finish(order, JobEnd(JobState.COMPLETED, ENDED, {"correct": 1}))
    return order


def teller(house: House, *, allowed: bool = True) -> Teller:
    promises = {"acme": Promise(webhook_secret=SECRET)}
    return Teller(house.desk, house.redis, promises, Sender(allow_private=allowed, seconds=2.0))


def test_a_webhook_is_told_how_the_job_ended(quiet: House) -> None:
    with Receiver() as receiver:
        order = ended_job(quiet, receiver.url)
        teller(quiet).tell_all(ENDED)
    told = json.loads(receiver.told[0][1])
    assert (told["type"], told["data"]["id"], told["data"]["labels"]) == (
        "job.completed",
        order.key.job,
        {"run": "7"},
    )


def test_a_message_is_signed(quiet: House) -> None:
    with Receiver() as receiver:
        ended_job(quiet, receiver.url)
        teller(quiet).tell_all(ENDED)
    headers, body = receiver.told[0]
    assert is_genuine(SECRET, headers, body, ENDED)


def test_a_webhook_that_was_told_is_not_told_again(quiet: House) -> None:
    with Receiver() as receiver:
        ended_job(quiet, receiver.url)
        teller(quiet).tell_all(ENDED)
        teller(quiet).tell_all(ENDED + 3600)
    assert len(receiver.told) == 1


def test_a_receiver_that_fails_is_told_again_under_the_same_id(quiet: House) -> None:
    with Receiver(500, 302, 204) as receiver:
        ended_job(quiet, receiver.url)
        for later in (0, 60, 120, 180):
            teller(quiet).tell_all(ENDED + later)
    assert len(receiver.told) == 3
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 1


def test_a_receiver_that_failed_is_left_alone_for_a_while(quiet: House) -> None:
    with Receiver(500) as receiver:
        order = ended_job(quiet, receiver.url)
        for later in (0, 1, 2, 3):
            teller(quiet).tell_all(ENDED + later)
        quiet.store.delete(order.key.webhook)
    assert len(receiver.told) == 1


def test_a_receiver_that_is_gone_is_told_once(quiet: House) -> None:
    with Receiver(410) as receiver:
        ended_job(quiet, receiver.url)
        for later in (0, 60):
            teller(quiet).tell_all(ENDED + later)
    assert len(receiver.told) == 1


def test_a_webhook_is_given_up_after_days(quiet: House) -> None:
    with Receiver(500) as receiver:
        order = ended_job(quiet, receiver.url)
        teller(quiet).tell_all(ENDED + GIVEN_UP_SECONDS + 1)
    assert not quiet.store.exists(order.key.webhook)


def test_a_receiver_that_never_answers_does_not_keep_others_waiting(quiet: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, Receiver() as receiver:
        stuck = ended_job(quiet, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        ended_job(quiet, receiver.url)
        teller(quiet).tell_all(ENDED)
    assert (len(receiver.told), quiet.store.exists(stuck.key.webhook)) == (1, True)
    quiet.store.delete(stuck.key.webhook)


def test_a_private_receiver_is_told_nothing_unless_that_is_allowed(quiet: House) -> None:
    with Receiver() as receiver:
        order = ended_job(quiet, receiver.url)
        teller(quiet, allowed=False).tell_all(ENDED)
    assert receiver.told == []
    quiet.store.delete(order.key.webhook)


def test_a_webhook_of_a_deleted_job_is_forgotten(quiet: House) -> None:
    with Receiver() as receiver:
        order = ended_job(quiet, receiver.url)
        quiet.desk.remove(order)
        teller(quiet).tell_all(ENDED)
    assert (receiver.told, quiet.store.exists(order.key.webhook)) == ([], False)


def test_a_webhook_waits_a_while_for_the_output(quiet: House) -> None:
    with Receiver() as receiver:
        order = ended_job(quiet, receiver.url, "s3://bucket/out/")
        teller(quiet).tell_all(ENDED + 1)
        before = len(receiver.told)
        teller(quiet).tell_all(ENDED + OUTPUT_SECONDS + 1)
    settle(quiet.store, order.key, Errand.OUTPUT)
    assert (before, len(receiver.told)) == (0, 1)


def test_a_webhook_is_told_once_the_output_is_written(quiet: House) -> None:
    with Receiver() as receiver:
        order = ended_job(quiet, receiver.url, "s3://bucket/out/")
        settle(quiet.store, order.key, Errand.OUTPUT)
        teller(quiet).tell_all(ENDED + 1)
    assert len(receiver.told) == 1


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnavailableError):
        Sender(allow_private=True, seconds=0.2).post(f"http://127.0.0.1:{silent.getsockname()[1]}/", {}, b"")


def test_plain_http_to_a_public_address_is_refused() -> None:
    with pytest.raises(FieldError, match="plain http"):
        Sender(allow_private=True).post("http://93.184.216.34/", {}, b"")


def test_a_host_of_workers_tells_webhooks(quiet: House) -> None:
    keys = quiet.folder / "keys.jsonl"
    keys.write_text(json.dumps({"tenant": "acme", "webhook_secret": SECRET}) + "\n")
    quiet.addresses = {"student": "127.0.0.1:1", "oracle": "127.0.0.1:1"}
    with Receiver() as receiver:
        order = ended_job(quiet, receiver.url)
        part = quiet.workers(
            IDIOLECT_GATEWAY_KEY_FILE=str(keys),
            IDIOLECT_WEBHOOK_PRIVATE="true",
            IDIOLECT_PIPELINE_RECONCILE="0.2",
        )
        told = eventually(lambda: receiver.told, "the message")
        part.end()
    assert json.loads(told[0][1])["data"]["id"] == order.key.job
