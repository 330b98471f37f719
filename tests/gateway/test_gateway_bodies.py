"""Bodies: cut into lines and items in bounded memory, measured, timed, unfolded."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator

import httpx2
import pytest
import zstandard
from gateway_asking import NDJSON, code_of
from hypothesis import given, settings
from hypothesis import strategies as st
from running_gateway import RunningGateway

from services.gateway.bodies import items, lines
from services.gateway.decoding import PIECE, decoder_for
from services.gateway.errors import HttpError
from shared.errors import FieldError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@given(st.lists(JSON, min_size=1, max_size=5), st.integers(1, 9), st.sampled_from([None, 1]))
@settings(max_examples=200, deadline=None)
def test_items_are_those_of_the_array_however_it_is_cut(
    values: list[object], size: int, indent: int | None
) -> None:
    data = json.dumps(values, ensure_ascii=False, indent=indent).encode()
    assert [json.loads(item) for item in items(cut(data, size))] == values


@given(st.binary(max_size=40), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_whatever_is_no_array_of_json_is_refused_as_such(data: bytes, size: int) -> None:
    try:
        found = [json.loads(item) for item in items(cut(data, size))]
    except FieldError:
        return
    whole = json.loads(data)
    assert found == (whole if isinstance(whole, list) else [whole])


@given(
    st.lists(st.binary(min_size=1, max_size=9).map(lambda b: b.replace(b"\n", b".")), max_size=6),
    st.integers(1, 9),
)
@settings(max_examples=200, deadline=None)
def test_lines_are_those_of_the_body_however_it_is_cut(rows: list[bytes], size: int) -> None:
    data = b"x\n" + b"".join(row + b"\n" for row in rows)
    assert list(lines(cut(data, size))) == [b"x", *rows]


def test_a_line_that_is_too_long_is_cut_but_stays_too_long() -> None:
    assert list(lines(cut(b"a" * 50 + b"\nb\n", 7), longest=10)) == [b"a" * 11, b"b"]


def test_an_item_that_is_too_long_is_refused() -> None:
    with pytest.raises(FieldError, match="above 100 bytes"):
        list(items(cut(b'["' + b"a" * 500 + b'"]', 50), longest=100))


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_bomb_unfolds_in_small_pieces(name: str) -> None:
    zeros = bytes(64 << 20)
    packed = gzip.compress(zeros, 9) if name == "gzip" else zstandard.ZstdCompressor(19).compress(zeros)
    sizes = [len(piece) for piece in decoder_for(name).feed(packed)]
    assert (sum(sizes), max(sizes) <= 16 * PIECE) == (64 << 20, True)


def test_a_zstd_window_above_8_mib_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packing = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packing.compress(bytes(1 << 20)) + packing.flush()
    with pytest.raises(HttpError, match="isn't valid zstd"):
        list(decoder_for("zstd").feed(packed))


def test_members_of_gzip_one_after_the_other_are_one_body() -> None:
    packed = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    assert b"".join(decoder_for("gzip").feed(packed)) == b"one\ntwo\n"


@pytest.fixture(scope="module")
def small() -> Iterator[RunningGateway]:
    """A gateway with little room and little patience."""
    with RunningGateway(
        "memory:",
        json_bytes=1000,
        upload_bytes=100_000,
        body_grace_seconds=0.3,
        header_seconds=0.3,
    ) as running:
        yield running


def test_a_body_that_says_that_it_is_too_long_is_refused_at_once(small: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", int(small.address.split(":")[1])), 10) as raw:
        raw.sendall(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_turns_out_too_long_is_refused(small: RunningGateway) -> None:
    with small.client(None) as client:
        answer = client.post("/v1/refinements", content=iter([b'{"a": 1}\n' * 1000] * 12), headers=NDJSON)
    assert code_of(answer) == (413, "body_too_large")


def test_a_question_has_less_room_than_an_upload(small: RunningGateway) -> None:
    with small.client(None) as client:
        answer = client.post("/v1/scores", json={"items": [{"problem": "x" * 2000, "text": "y"}]})
    assert code_of(answer) == (413, "body_too_large")


def test_what_unfolds_to_too_much_is_refused(small: RunningGateway) -> None:
    packed = zlib.compress(b'{"a": 1}\n' * 100_000, wbits=zlib.MAX_WBITS | 16)
    with small.client(None) as client:
        headers = {**NDJSON, "Content-Encoding": "gzip"}
        assert client.post("/v1/refinements", content=packed, headers=headers).status_code == 413


def answer_to(running: RunningGateway, sent: bytes) -> bytes:
    """What comes back to whoever sends this and then nothing; empty: the connection is closed."""
    with socket.create_connection(("127.0.0.1", int(running.address.split(":")[1])), 30) as raw:
        raw.sendall(sent)
        return raw.recv(100)


def test_a_head_that_doesnt_come_ends_the_connection(small: RunningGateway) -> None:
    try:
        answer = answer_to(small, b"GET /healthz HTTP/1.1\r\nHos")
    except ConnectionResetError:
        answer = b""
    assert answer == b""


def test_a_body_that_stops_coming_is_refused(small: RunningGateway) -> None:
    head = b"POST /v1/refinements HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
    assert answer_to(small, head + b"Content-Length: 100\r\n\r\n{").startswith(b"HTTP/1.1 408 ")


def test_slow_clients_dont_keep_others_out(small: RunningGateway) -> None:
    address = ("127.0.0.1", int(small.address.split(":")[1]))
    slow = [socket.create_connection(address, 10) for _ in range(100)]
    head = b"POST /v1/refinements HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
    for raw in slow:
        raw.sendall(head + b"Content-Length: 100\r\n\r\n{")
    with small.client(None) as client:
        answer = client.post("/v1/refinements?wait=0", content=b"{}\n", headers=NDJSON)
    for raw in slow:
        raw.close()
    assert answer.status_code == 202


def test_what_is_no_http_is_refused(small: RunningGateway) -> None:
    assert answer_to(small, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_client_that_goes_away_leaves_no_job(small: RunningGateway) -> None:
    with httpx2.Client(base_url=small.url) as client:
        before = client.get("/v1/jobs").json()["data"]
        head = b"POST /v1/refinements HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
        with socket.create_connection(("127.0.0.1", int(small.address.split(":")[1])), 10) as raw:
            raw.sendall(head + b"Content-Length: 100\r\n\r\n" + b'{"a": 1}\n')
        assert client.get("/v1/jobs").json()["data"] == before


def test_small_pieces_are_sent_at_once(small: RunningGateway) -> None:
    # Only where the listening socket names its protocol does asyncio turn Nagle's delay off.
    assert small.socket.proto == socket.IPPROTO_TCP
