"""Kill -9 of a host of workers in the middle of an errand: it is done once more, and never seen by halves.

What an errand waits for is held until the kill has happened: a request to S3 at a gate, the answer of a
webhook's receiver, the bytes of a pipe. So the kill always finds it in the middle. The ordinary suite holds
each kind once; `make test-kill` holds it wherever it matters.
"""

from __future__ import annotations

import base64
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket import Bucket, served
from gate import Gate
from house import House, Part, eventually
from receiver import Receiver
from street import LONG

from services.pipeline.export.columns import columns_of
from services.pipeline.export.parquet import ROWS_A_GROUP, parquet
from shared.jobs.errands import Errand, ask, hindrance
from shared.jobs.ids import new_id
from shared.jobs.intake import accept
from shared.jobs.layout import JobKey, ShardId
from shared.jobs.order import Fate, JobEnd, JobOrder, JobState, Operation, ShardOutcome
from shared.jobs.webhooks import is_genuine

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SHARDS, LINES_A_SHARD, BYTES_A_LINE = 3, 2 * ROWS_A_GROUP, 2100
"""Together more than one part of an upload, as lines and as Parquet."""
DELIVERIES = [
    pytest.param(("PUT", "results.jsonl", "partNumber=2"), False, [], id="a part is sent"),
    pytest.param(("PUT", "errors.jsonl"), False, ["results.jsonl"], id="between two objects"),
    pytest.param(("POST", "results.jsonl", "uploadId="), False, [], id="before it is completed"),
    pytest.param(("POST", "results.jsonl", "uploadId="), True, ["results.jsonl"], id="after it is completed"),
]
EXPORTS = [
    pytest.param(("PUT", "results.parquet", "partNumber=2"), False, id="a part is sent"),
    pytest.param(("POST", "results.parquet", "uploadId="), False, id="before it is completed"),
    pytest.param(("POST", "results.parquet", "uploadId="), True, id="after it is completed"),
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with served() as opened:
        yield opened


def house_of(folder: Path, store: str | None = None) -> House:
    """A store and Redis; errands ask no engine."""
    house = House(folder, store)
    house.addresses = {"student": "127.0.0.1:1", "oracle": "127.0.0.1:1"}
    return house


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = house_of(tmp_path_factory.mktemp("disk"))
    yield house
    house.close()


@pytest.fixture(scope="module")
def on_s3(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = house_of(tmp_path_factory.mktemp("s3"), "s3://data/store")
    yield house
    house.close()


def workers(house: House, **environment: str) -> Part:
    keys = house.folder / "keys.jsonl"
    keys.write_text(json.dumps({"tenant": "acme", "webhook_secret": SECRET}) + "\n")
    return house.workers(
        IDIOLECT_GATEWAY_KEY_FILE=str(keys),
        IDIOLECT_WEBHOOK_PRIVATE="true",
        IDIOLECT_PIPELINE_RECONCILE="1",
        IDIOLECT_PIPELINE_CONCURRENCY="1",
        IDIOLECT_PIPELINE_INTERACTIVE="0",
        **environment,
    )


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    """Records that hardly any compression makes shorter."""
    drawn = random.Random(7)
    return [record(number, drawn) for number in range(1, SHARDS * LINES_A_SHARD + 1)]


def record(number: int, drawn: random.Random) -> bytes:
    answer = base64.b64encode(drawn.randbytes(BYTES_A_LINE * 3 // 4)).decode()
    told = {"id": str(number), "line": number, "value": "undecided", "reason": "no_gold", "answer": answer}
    return json.dumps(told).encode() + b"\n"


@pytest.fixture(scope="module")
def as_parquet(records: list[bytes]) -> bytes:
    """What an undisturbed errand writes."""
    return b"".join(parquet(records, columns_of(Operation.VERIFY)))


def ended_job(
    house: House, records: list[bytes], webhook: str | None = None, output: str | None = None
) -> JobOrder:
    """A job that has just ended with these records."""
    key = JobKey("acme", new_id("job"))
    lines = len(records)
    shards = -(-lines // LINES_A_SHARD)
    order = JobOrder(
        key, Operation.VERIFY, {}, {}, lines, shards, 0.0, LINES_A_SHARD, webhook=webhook, output=output
    )
    for root in order.roots():
        house.store.put(key.shard(ShardId(root), "results.1"), rows_of(records, root))
        house.store.put(key.shard(ShardId(root), "errors.1"), b"")
        outcome = ShardOutcome(Fate.COMMIT, "1", {"undecided": order.lines_of(root)})
        house.desk.decide(order, ShardId(root), outcome)
    assert accept(house.store, order)
    house.desk.finish(order, JobEnd(JobState.COMPLETED, time.time(), {"undecided": lines}))
    return order


def rows_of(records: list[bytes], root: int) -> bytes:
    first = root * LINES_A_SHARD
    several = enumerate(records[first : first + LINES_A_SHARD], first + 1)
    return b"".join(b"%d\t%s" % (number, line) for number, line in several)


def is_done(house: House, order: JobOrder, errand: Errand) -> bool:
    return hindrance(house.store, order.key, errand) is None


def seen(bucket: Bucket, order: JobOrder) -> dict[str, bytes]:
    """What stands at the caller's place, by its name."""
    folder = f"out/{order.key.job}/"
    return {key.removeprefix(folder): bucket.store.get(key) for key in bucket.store.list(folder)}


@pytest.mark.parametrize(("wanted", "answered", "between"), DELIVERIES if LONG else DELIVERIES[:1])
def test_a_delivery_to_s3_outlives_a_kill(
    on_s3: House,
    bucket: Bucket,
    records: list[bytes],
    wanted: tuple[str, ...],
    answered: bool,
    between: list[str],
) -> None:
    whole = {"results.jsonl": b"".join(records), "errors.jsonl": b""}
    with Receiver() as receiver, Gate(bucket.port, wanted, answered=answered) as gate:
        order = ended_job(on_s3, records, receiver.url, "s3://data/out/")
        part = workers(on_s3, AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{gate.port}")
        gate.await_request()
        part.kill()
        told, half = len(receiver.told), seen(bucket, order)
        gate.open()
        part.start()
        eventually(lambda: receiver.told, "the message of a webhook")
        found = seen(bucket, order)
        part.end()
    assert (told, half) == (0, {name: whole[name] for name in between})
    assert (found, is_done(on_s3, order, Errand.OUTPUT), bucket.unfinished()) == (whole, True, 0)


@pytest.mark.long
@pytest.mark.parametrize(("wanted", "answered"), EXPORTS if LONG else EXPORTS[:1])
def test_an_export_to_s3_outlives_a_kill(
    on_s3: House,
    bucket: Bucket,
    records: list[bytes],
    as_parquet: bytes,
    wanted: tuple[str, ...],
    answered: bool,
) -> None:
    order = ended_job(on_s3, records)
    ask(on_s3.store, order.key, Errand.PARQUET)
    with Gate(bucket.port, wanted, answered=answered) as gate:
        part = workers(on_s3, AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{gate.port}")
        gate.await_request()
        part.kill()
        there = on_s3.store.exists(order.key.parquet)
        half = on_s3.store.get(order.key.parquet) if there else None
        gate.open()
        part.start()
        eventually(lambda: is_done(on_s3, order, Errand.PARQUET), "the export")
        part.end()
    assert half == (as_parquet if answered else None)
    assert on_s3.store.get(order.key.parquet) == as_parquet


def test_an_export_to_a_disk_outlives_a_kill(on_disk: House, records: list[bytes], as_parquet: bytes) -> None:
    order = ended_job(on_disk, records)
    last = on_disk.folder / "store" / order.key.shard(ShardId(SHARDS - 1), "results.1")
    kept = last.rename(last.with_name("kept"))
    os.mkfifo(last)
    ask(on_disk.store, order.key, Errand.PARQUET)
    part = workers(on_disk)
    # A pipe is open once somebody reads it; what is written is taken but for the end, which never comes.
    data = kept.read_bytes()
    with last.open("wb", buffering=0) as pipe:
        pipe.write(data[: len(data) // 2])
        half = halves(last.parents[2])
        part.kill()
    there = on_disk.store.exists(order.key.parquet)
    kept.replace(last)
    part.start()
    eventually(lambda: is_done(on_disk, order, Errand.PARQUET), "the export")
    part.end()
    assert (there, [0 < size < len(as_parquet) for size in half]) == (False, [True])
    assert on_disk.store.get(order.key.parquet) == as_parquet


def halves(folder: Path) -> list[int]:
    """Sizes of the files that are being written in a folder."""
    return [path.stat().st_size for path in folder.glob(".writing-*")]


def test_a_webhook_is_told_again_under_its_id_where_its_teller_is_killed(on_disk: House) -> None:
    with Receiver(held=True) as receiver:
        order = ended_job(on_disk, [b'{"line": 1}\n'], receiver.url)
        part = workers(on_disk)
        eventually(lambda: receiver.told, "the first message")
        part.kill()
        receiver.release()
        part.start()
        eventually(lambda: not on_disk.store.exists(order.key.webhook), "an answer")
        part.end()
    genuine = [is_genuine(SECRET, headers, body, time.time()) for headers, body in receiver.told]
    told = {(headers["webhook-id"], body) for headers, body in receiver.told}
    assert genuine == [True, True]
    assert [(name, json.loads(body)["data"]["id"]) for name, body in told] == [
        (f"msg-{order.key.job}", order.key.job)
    ]
