"""Files: uploaded as they come, listed page by page, downloaded byte for byte."""

from __future__ import annotations

import gzip

import httpx2
import pytest
import zstandard
from gateway_asking import code_of, upload
from running_gateway import BERT, RunningGateway

BOUNDARY = "xxboundaryxx"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(content: bytes, *, file_first: bool = False, purpose: str = "batch") -> bytes:
    """A form as another client might write it."""
    fields = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'.encode()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a b.jsonl"\r\n\r\n'
    file = head.encode() + content + b"\r\n"
    parts = (file, fields) if file_first else (fields, file)
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def test_a_file_comes_back_byte_for_byte(anna: httpx2.Client) -> None:
    content = bytes(range(256)) * 5000 + b"\r\n--" + BOUNDARY[:-1].encode()
    file = upload(anna, content)
    assert anna.get(f"/v1/files/{file['id']}/content").content == content


def test_an_upload_has_the_shape_of_the_openai_api(anna: httpx2.Client) -> None:
    file = upload(anna, b"12345", name="x.jsonl")
    shown = {name: file[name] for name in ("object", "bytes", "filename", "purpose", "status")}
    assert shown == {
        "object": "file",
        "bytes": 5,
        "filename": "x.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def test_an_empty_file_is_a_file(anna: httpx2.Client) -> None:
    assert upload(anna, b"")["bytes"] == 0


def test_the_purpose_may_stand_behind_the_file(anna: httpx2.Client) -> None:
    answer = anna.post("/v1/files", content=form(b"abc", file_first=True), headers=FORM)
    assert (answer.json()["bytes"], answer.json()["filename"]) == (3, "a b.jsonl")


@pytest.mark.parametrize(
    ("name", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)]
)
def test_a_packed_upload_is_stored_unpacked(anna: httpx2.Client, name: str, pack: object) -> None:
    body = pack(form(b"abc" * 100_000))  # type: ignore[operator]
    file = anna.post("/v1/files", content=body, headers={**FORM, "Content-Encoding": name}).json()
    assert file["bytes"] == 300_000


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"", {"Content-Type": "multipart/form-data"}, 415),
        (b"no form", FORM, 400),
        (form(b"abc")[:-10], FORM, 400),
        (form(b"abc", purpose="mischief"), FORM, 400),
        (form(b"abc").replace(b'name="file"', b'name="elif"'), FORM, 400),
        (b"no gzip", {**FORM, "Content-Encoding": "gzip"}, 400),
        (gzip.compress(form(b"abc" * 1000))[:-20], {**FORM, "Content-Encoding": "gzip"}, 400),
        (b"abc", {**FORM, "Content-Encoding": "br"}, 415),
    ],
)
def test_a_broken_upload_is_refused(
    anna: httpx2.Client, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert anna.post("/v1/files", content=content, headers=headers).status_code == status


def test_a_refused_upload_leaves_nothing_behind(idle_gateway: RunningGateway) -> None:
    before = idle_gateway.store.list("t/bert/", "", 1000)
    with idle_gateway.client(BERT) as bert:
        bert.post("/v1/files", content=form(b"abc", purpose="mischief"), headers=FORM)
        bert.post("/v1/files", content=form(b"abc")[:-10], headers=FORM)
    assert idle_gateway.store.list("t/bert/", "", 1000) == before


def test_files_are_listed_newest_first_in_pages(idle_gateway: RunningGateway) -> None:
    with idle_gateway.client(BERT) as client:
        made = [upload(client, b"x", purpose="user_data")["id"] for _ in range(5)]
        first = client.get("/v1/files?limit=3&purpose=user_data").json()
        last = client.get(f"/v1/files?limit=3&purpose=user_data&after={first['last_id']}").json()
    assert [file["id"] for file in first["data"] + last["data"]] == made[::-1]
    assert (first["has_more"], last["has_more"]) == (True, False)


def test_files_can_be_listed_oldest_first(idle_gateway: RunningGateway) -> None:
    with idle_gateway.client(BERT) as client:
        made = [upload(client, b"x", purpose="vision")["id"] for _ in range(3)]
        after = client.get(f"/v1/files?order=asc&purpose=vision&after={made[0]}").json()
    assert [file["id"] for file in after["data"]] == made[1:]


def test_a_deleted_file_is_gone(anna: httpx2.Client) -> None:
    file = upload(anna, b"x")["id"]
    assert anna.delete(f"/v1/files/{file}").json() == {"id": file, "object": "file", "deleted": True}
    assert code_of(anna.get(f"/v1/files/{file}")) == (404, "not_found")


@pytest.mark.parametrize("name", ["file-1", "nothing", "..%2F..%2Fbert", "file-" + "u" * 26])
def test_an_impossible_id_is_a_file_that_isnt_there(anna: httpx2.Client, name: str) -> None:
    assert anna.get(f"/v1/files/{name}").status_code == 404
