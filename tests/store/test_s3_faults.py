"""An S3 server that is slow, silent or unlucky: the outcome is known all the same, or said to be open."""

from __future__ import annotations

import threading
import time

import pytest
from conftest import BUCKET
from faulty_server import never_answering, proxied

from shared.errors import UnavailableError
from shared.store import S3Limits, open_store
from shared.store.s3 import S3Store
from shared.store.s3_client import S3Client
from shared.store.s3_upload import PART_BYTES, Upload

QUICK = S3Limits(connect_seconds=0.5, read_seconds=0.3, attempts=1)
PATIENT = S3Limits(connect_seconds=5, read_seconds=10, attempts=2)
BIG = b"x" * (PART_BYTES + 5)


def through(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "limits", [PATIENT, S3Limits(attempts=1)], ids=["asked again below", "asked again by us"]
)
def test_a_put_whose_answer_is_lost_is_known_to_have_won(
    s3_url: str, s3_port: int, monkeypatch: pytest.MonkeyPatch, limits: S3Limits
) -> None:
    with proxied(s3_port, b"PUT", "lose") as proxy:
        through(monkeypatch, proxy.port)
        assert (open_store(s3_url, limits).put_if_absent("k", b"mine"), proxy.left) == (True, 0)


@pytest.mark.parametrize(
    "limits", [PATIENT, S3Limits(attempts=1)], ids=["asked again below", "asked again by us"]
)
def test_a_put_that_never_arrived_is_sent_again(
    s3_url: str, s3_port: int, monkeypatch: pytest.MonkeyPatch, limits: S3Limits
) -> None:
    with proxied(s3_port, b"PUT", "drop") as proxy:
        through(monkeypatch, proxy.port)
        assert (open_store(s3_url, limits).put_if_absent("k", b"mine"), proxy.left) == (True, 0)


@pytest.mark.parametrize(
    "limits", [PATIENT, S3Limits(attempts=1)], ids=["asked again below", "asked again by us"]
)
def test_a_put_against_another_is_known_to_have_lost_though_the_answer_is_lost(
    s3_url: str, s3_port: int, monkeypatch: pytest.MonkeyPatch, limits: S3Limits
) -> None:
    open_store(s3_url).put_if_absent("k", b"another")
    with proxied(s3_port, b"PUT", "lose") as proxy:
        through(monkeypatch, proxy.port)
        assert (open_store(s3_url, limits).put_if_absent("k", b"mine"), proxy.left) == (False, 0)


@pytest.mark.parametrize(
    "limits", [PATIENT, S3Limits(attempts=1)], ids=["asked again below", "asked again by us"]
)
def test_a_put_in_parts_whose_last_answer_is_lost_is_known_to_have_won(
    s3_url: str, s3_port: int, monkeypatch: pytest.MonkeyPatch, limits: S3Limits
) -> None:
    with proxied(s3_port, b"POST", "", "lose") as proxy:
        through(monkeypatch, proxy.port)
        assert (open_store(s3_url, limits).put_if_absent("k", iter([BIG])), proxy.left) == (True, 0)


def test_a_conflict_is_no_loss(s3_url: str, s3_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxied(s3_port, b"PUT", "conflict", "conflict") as proxy:
        through(monkeypatch, proxy.port)
        assert (open_store(s3_url).put_if_absent("k", b"mine"), proxy.left) == (True, 0)


def test_a_conflict_with_one_who_has_won_is_a_loss(
    s3_url: str, s3_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(s3_url).put_if_absent("k", b"another")
    with proxied(s3_port, b"PUT", "conflict") as proxy:
        through(monkeypatch, proxy.port)
        assert not open_store(s3_url).put_if_absent("k", b"mine")


def test_a_conflict_without_end_is_said(s3_url: str, s3_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxied(s3_port, b"PUT", *["conflict"] * 100) as proxy:
        through(monkeypatch, proxy.port)
        with pytest.raises(UnavailableError, match="no conditional write got through"):
            open_store(s3_url).put_if_absent("k", b"mine")


def test_reading_goes_on_where_the_connection_broke(
    s3_url: str, s3_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(range(256)) * 4096
    open_store(s3_url).put("k", data)
    with proxied(s3_port, b"GET", "halve", "halve") as proxy:
        through(monkeypatch, proxy.port)
        assert (b"".join(open_store(s3_url).stream("k", 5, 65536)), proxy.left) == (data[5:], 0)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    with never_answering() as port:
        through(monkeypatch, port)
        with pytest.raises(UnavailableError, match="can't be reached: Read timeout"):
            open_store(s3_url, QUICK).put_if_absent("k", b"")


def test_a_server_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    with never_answering() as port:
        pass
    through(monkeypatch, port)
    with pytest.raises(UnavailableError, match="can't be reached"):
        open_store(s3_url, QUICK).get("k")


def test_a_bucket_that_is_not_there_is_said(s3_url: str) -> None:
    with pytest.raises(UnavailableError, match="NoSuchBucket"):
        open_store("s3://no-such-bucket/x").get("k")


def test_an_upload_that_was_never_completed_is_collected(s3_url: str) -> None:
    prefix = s3_url.removeprefix(f"s3://{BUCKET}/") + "/"
    Upload.begun(S3Client(S3Limits()), BUCKET, f"{prefix}k")
    assert S3Store(BUCKET, prefix).collect_orphans(older_than=-60) == 1


def test_an_upload_that_is_too_young_is_not_collected(s3_url: str) -> None:
    prefix = s3_url.removeprefix(f"s3://{BUCKET}/") + "/"
    Upload.begun(S3Client(S3Limits()), BUCKET, f"{prefix}k")
    # The server says of every upload that it was begun in 2010.
    assert S3Store(BUCKET, prefix).collect_orphans(older_than=time.time()) == 0


def test_names_that_are_no_keys_are_passed_over(s3_url: str) -> None:
    prefix = s3_url.removeprefix(f"s3://{BUCKET}/") + "/"
    S3Client(S3Limits()).call("put_object", Bucket=BUCKET, Key=f"{prefix}a folder/", Body=b"")
    store = S3Store(BUCKET, prefix)
    store.put("a", b"")
    store.put("b", b"")
    assert [store.list("", limit=1), store.list("", after="a", limit=1)] == [["a"], ["b"]]


def test_threads_share_a_store(s3_url: str) -> None:
    store, won = open_store(s3_url), list[bool]()
    threads = [threading.Thread(target=lambda: won.append(store.put_if_absent("k", b"x"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
