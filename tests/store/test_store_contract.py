"""What every store does, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.errors import FieldError, NotFoundError
from shared.store import Store, every_key, open_store, prove

ODD = [
    "a-b",
    "a.b",
    "a/b",
    "a/b-c",
    "a/b.c",
    "a/b0",
    "a0",
    "a=1/x",
    "a@b/y",
    "A",
    "Z/z",
    "_",
    "-",
    "9",
    "0/0",
    "a/c/d/e",
]
NO_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    "..",
    "a/../b",
    ".",
    ".hidden",
    "a/.writing-1",
    "a b",
    "ä",
    "a\0",
    "a\n",
    "a\\b",
]
NO_KEYS += ["a%2f", "x" * 256, "a/" * 256 + "b"]
PART_AND_MORE = (8 << 20) + 17


def test_a_first_put_wins(store: Store) -> None:
    assert store.put_if_absent("jobs/1/outcome", b"commit")


def test_a_second_put_loses(store: Store) -> None:
    store.put_if_absent("k", b"first")
    assert not store.put_if_absent("k", b"second")


def test_a_put_that_loses_changes_nothing(store: Store) -> None:
    store.put_if_absent("k", b"first")
    store.put_if_absent("k", iter([b"sec", b"ond"]))
    assert store.get("k") == b"first"


def test_an_equal_put_loses_too(store: Store) -> None:
    store.put_if_absent("k", b"same")
    assert not store.put_if_absent("k", b"same")


def test_a_put_replaces_the_whole_object(store: Store) -> None:
    store.put("hint", b"a long one")
    store.put("hint", b"short")
    assert store.get("hint") == b"short"


def test_pieces_become_one_object(store: Store) -> None:
    store.put_if_absent("k", (bytes([number]) * number for number in range(5)))
    assert store.get("k") == b"\1\2\2\3\3\3\4\4\4\4"


@pytest.mark.parametrize("data", [b"", iter([]), iter([b"", b""])], ids=["bytes", "no piece", "empty pieces"])
def test_an_object_may_be_empty(store: Store, data: bytes | Iterator[bytes]) -> None:
    store.put_if_absent("empty", list(data) if not isinstance(data, bytes) else data)
    assert (store.get("empty"), store.size("empty")) == (b"", 0)


def test_an_object_of_many_parts_is_whole(store: Store) -> None:
    store.put_if_absent("big", (b"x" * 1_000_003 for _ in range(20)))
    assert store.size("big") == 20 * 1_000_003


def test_a_second_object_of_many_parts_loses(store: Store) -> None:
    store.put_if_absent("big", iter([b"x" * PART_AND_MORE]))
    assert not store.put_if_absent("big", iter([b"y" * PART_AND_MORE]))


def test_a_hint_of_many_parts_replaces(store: Store) -> None:
    store.put("hint", b"short")
    store.put("hint", iter([b"y" * PART_AND_MORE]))
    assert store.size("hint") == PART_AND_MORE


def failing(size: int) -> Iterator[bytes]:
    yield b"x" * size
    raise ConnectionResetError("the sender is gone")


@pytest.mark.parametrize("size", [10, PART_AND_MORE])
def test_what_the_data_raises_goes_through(store: Store, size: int) -> None:
    with pytest.raises(ConnectionResetError, match="sender is gone"):
        store.put_if_absent("k", failing(size))


@pytest.mark.parametrize("size", [10, PART_AND_MORE])
def test_nothing_of_data_that_broke_off_is_there(store: Store, size: int) -> None:
    with pytest.raises(ConnectionResetError):
        store.put_if_absent("k", failing(size))
    assert (store.exists("k"), store.list("")) == (False, [])


@pytest.mark.parametrize("read", [Store.get, Store.stream, Store.size], ids=["get", "stream", "size"])
def test_what_is_not_there_can_not_be_read(store: Store, read: object) -> None:
    with pytest.raises(NotFoundError, match="no/such"):
        getattr(store, read.__name__)("no/such")


@pytest.mark.parametrize(("start", "chunk"), [(0, 3), (4, 3), (9, 1), (10, 5), (99, 5), (0, 100)])
def test_a_stream_begins_where_it_is_told(store: Store, start: int, chunk: int) -> None:
    store.put("k", b"0123456789")
    assert b"".join(store.stream("k", start, chunk)) == b"0123456789"[start:]


def test_the_pieces_of_a_stream_are_no_larger_than_asked(store: Store) -> None:
    store.put("k", b"0123456789")
    assert max(map(len, store.stream("k", 1, 4))) <= 4


def test_a_deleted_key_is_free(store: Store) -> None:
    store.put_if_absent("k", b"1")
    store.delete("k")
    assert store.put_if_absent("k", b"2")


def test_deleting_what_is_not_there_does_nothing(store: Store) -> None:
    store.delete("no/such")
    assert not store.exists("no/such")


def test_a_folder_is_deleted_without_its_neighbours(store: Store) -> None:
    for key in ("jobs/1/a", "jobs/1/b/c", "jobs/10/a", "jobs/1-2", "jobs/2"):
        store.put(key, b"")
    assert (store.delete_all("jobs/1/"), store.list("")) == (2, ["jobs/1-2", "jobs/10/a", "jobs/2"])


def test_a_deleted_folder_can_be_written_again(store: Store) -> None:
    store.put_if_absent("jobs/1/deep/a", b"")
    store.delete_all("jobs/1/")
    assert store.put_if_absent("jobs/1/deep/a", b"")


def test_keys_are_listed_in_the_order_of_their_bytes(store: Store) -> None:
    for key in reversed(ODD):
        if key != "a/b":
            store.put(key, b"")
    assert store.list("") == sorted(set(ODD) - {"a/b"}, key=str.encode)


@pytest.mark.parametrize(
    "prefix", ["", "a", "a/", "a/b", "a/b.", "a=1/", "Z/z", "Z/z/", "nothing/at/all", "a/c/d"]
)
def test_a_prefix_is_a_beginning_of_the_text(store: Store, prefix: str) -> None:
    for key in ODD:
        store.put(key, b"")
    assert store.list(prefix) == [key for key in sorted(ODD) if key.startswith(prefix)]


@pytest.mark.parametrize("after", ["", "a", "a/", "a/b", "a/b.c", "a/zz", "a~", "Z", "zzz", "-"])
def test_a_page_begins_after_any_text(store: Store, after: str) -> None:
    for key in ODD:
        store.put(key, b"")
    assert store.list("", after=after) == [key for key in sorted(ODD) if key > after]


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_pages_together_are_all_keys_once(store: Store, page: int) -> None:
    for key in ODD:
        store.put(key, b"")
    assert [*every_key(store, "", page)] == sorted(ODD)


def test_more_keys_than_a_server_lists_at_once_are_found(store: Store) -> None:
    keys = [f"k/{number:04}" for number in range(70)]
    for key in keys:
        store.put(key, b"")
    assert store.list("k/", limit=5000) == keys


@pytest.mark.parametrize("key", NO_KEYS)
def test_a_text_that_is_no_key_is_refused(store: Store, key: str) -> None:
    with pytest.raises(FieldError, match="key"):
        store.put_if_absent(key, b"")


def test_a_key_of_the_greatest_length_is_taken(store: Store) -> None:
    key = "x" * 255 + "/" + "y" * 254 + "/z"
    assert store.put_if_absent(key, b"")


@pytest.mark.parametrize("prefix", ["", "jobs/1", "/", "jobs//", "../", ".x/"])
def test_only_a_named_folder_is_deleted_whole(store: Store, prefix: str) -> None:
    with pytest.raises(FieldError, match="prefix"):
        store.delete_all(prefix)


@pytest.mark.parametrize(
    "address", ["", "memory", "file:", "http://x/y", "s3://", "s3://UPPER/x", "s3://bucket/../x"]
)
def test_an_address_that_is_no_store_is_refused(address: str) -> None:
    with pytest.raises(FieldError, match="store"):
        open_store(address)


def test_a_store_that_keeps_its_promise_is_proved(store: Store) -> None:
    prove(store)
    assert store.list("") == []
