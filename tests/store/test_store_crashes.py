"""Writers that are killed leave nothing that can be seen, and nothing that stays."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from shared.errors import FieldError
from shared.store import open_store
from shared.store.local import LocalStore

CONTEXT = multiprocessing.get_context("fork")
KILLS = 40
VALUE = 2_000_000


def value(seed: int) -> bytes:
    """Bytes that begin with the digest of the rest."""
    rest = random.Random(seed).randbytes(VALUE)
    return hashlib.sha256(rest).digest() + rest


def is_whole(data: bytes) -> bool:
    return len(data) == VALUE + 32 and hashlib.sha256(data[32:]).digest() == data[:32]


def write_on(folder: Path, kill: int, begun: Connection) -> None:
    """Puts big values until it is killed: new keys, and one that is replaced."""
    store = LocalStore(folder)
    data = value(kill)
    for number in range(10_000):
        begun.send_bytes(b"")
        store.put_if_absent(f"new/{kill}/{number}", iter([data[:1_000_000], data[1_000_000:]]))
        store.put("replaced", data)


def killed_while_writing(folder: Path, kill: int) -> None:
    receiver, sender = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=write_on, args=(folder, kill, sender))
    child.start()
    receiver.recv_bytes()
    time.sleep(random.Random(kill).uniform(0, 0.03))
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    receiver.close()
    sender.close()


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """A store whose writers were killed at random moments, one after the other."""
    folder = tmp_path_factory.mktemp("killed")
    for kill in range(KILLS):
        killed_while_writing(folder, kill)
    return LocalStore(folder)


def left_behind(store: LocalStore) -> list[Path]:
    return [path for path in store.root.rglob(".*") if path.is_file()]


def test_every_object_that_is_seen_is_whole(survived: LocalStore) -> None:
    torn = [key for key in survived.list("", limit=100_000) if not is_whole(survived.get(key))]
    assert torn == []


def test_the_kills_did_hit_writers_at_work(survived: LocalStore) -> None:
    assert len(left_behind(survived)) >= KILLS // 10


def test_what_dead_writers_left_is_collected(survived: LocalStore) -> None:
    before = len(left_behind(survived))
    assert (survived.collect_orphans(older_than=-1), left_behind(survived)) == (before, [])


def test_what_is_young_is_not_collected(tmp_path: Path) -> None:
    (tmp_path / ".writing-x").write_bytes(b"")
    assert LocalStore(tmp_path).collect_orphans(older_than=3600) == 0


def test_what_a_living_writer_has_open_is_not_collected(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    def data() -> Iterator[bytes]:
        yield b"before, "
        LocalStore(tmp_path).collect_orphans(older_than=-1)
        yield b"after"

    store.put_if_absent("k", data())
    assert store.get("k") == b"before, after"


def test_a_folder_that_is_removed_between_two_writes_is_made_again(tmp_path: Path) -> None:
    store, other = open_store(f"file:{tmp_path}"), open_store(f"file:{tmp_path}")
    store.put("jobs/1/a", b"")
    other.delete_all("jobs/1/")
    store.put("jobs/1/a", b"again")
    assert other.get("jobs/1/a") == b"again"


@pytest.mark.parametrize("second", ["a/b/c", "a"])
def test_a_key_is_no_folder_of_another_key(tmp_path: Path, second: str) -> None:
    for store in (open_store(f"file:{tmp_path}"), open_store("memory:")):
        store.put_if_absent("a/b", b"")
        with pytest.raises(FieldError, match="folder of another"):
            store.put_if_absent(second, b"")
