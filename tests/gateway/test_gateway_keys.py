"""Who may ask, and that nobody sees what is another's."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from gateway_asking import code_of, eventually, jsonl, submit, trajectory, upload
from running_gateway import KEYS, RunningGateway

from services.gateway.auth import digest_of_key, new_key, read_keys
from services.gateway.limits import RateLimit
from shared.errors import FieldError


def test_a_request_without_a_key_is_refused(gateway: RunningGateway) -> None:
    with gateway.client(None) as client:
        assert code_of(client.get("/v1/jobs")) == (401, "invalid_api_key")


def test_a_request_with_an_unknown_key_is_refused(gateway: RunningGateway) -> None:
    with gateway.client("idk_nobodys_key") as client:
        assert code_of(client.get("/v1/files")) == (401, "invalid_api_key")


def test_an_unknown_path_is_not_told_from_others_without_a_key(gateway: RunningGateway) -> None:
    with gateway.client(None) as client:
        assert client.get("/v1/nothing").status_code == 401


def test_health_needs_no_key(gateway: RunningGateway) -> None:
    with gateway.client(None) as client:
        assert client.get("/healthz").status_code == 200


def test_without_keys_loopback_is_one_tenant() -> None:
    with RunningGateway("memory:") as running, running.client(None) as client:
        assert client.get("/v1/jobs").json()["data"] == []


def test_it_refuses_to_listen_beyond_loopback_without_a_key() -> None:
    with pytest.raises(FieldError, match="open to others and no key is set"):
        RunningGateway("memory:", listen="0.0.0.0:0")


def test_it_listens_beyond_loopback_with_a_key() -> None:
    assert RunningGateway("memory:", listen="0.0.0.0:0", keys=KEYS).app is not None


def test_keys_are_read_from_a_file_of_digests(tmp_path: Path) -> None:
    key = new_key()
    file = tmp_path / "keys.jsonl"
    file.write_text(f'{{"tenant": "acme", "sha256": "{digest_of_key(key)}", "requests_per_minute": 5}}\n')
    caller = read_keys("", file).caller(key)
    assert caller is not None
    assert (caller.tenant, caller.requests_per_minute) == ("acme", 5)


@pytest.mark.parametrize(("may", "found"), [(["studies"], {"studies"}), ([], set())])
def test_what_a_key_may_is_read_from_its_line(tmp_path: Path, may: list[str], found: set[str]) -> None:
    key = new_key()
    file = tmp_path / "keys.jsonl"
    file.write_text(json.dumps({"tenant": "acme", "sha256": digest_of_key(key), "may": may}) + "\n")
    caller = read_keys("", file).caller(key)
    assert caller is not None
    assert caller.may == found


@pytest.mark.parametrize("may", ["studies", ["all"], [["studies"]], {"studies": True}])
def test_a_permission_that_is_none_is_refused(tmp_path: Path, may: object) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text(json.dumps({"tenant": "acme", "sha256": "0" * 64, "may": may}) + "\n")
    with pytest.raises(FieldError, match="may"):
        read_keys("", file)


@pytest.mark.parametrize("listed", ["acme:123", "A/B:" + "0" * 64, "acme", "a:{0},b:{0}".format("0" * 64)])
def test_a_key_that_cant_be_used_is_named(listed: str) -> None:
    with pytest.raises(FieldError):
        read_keys(listed, None)


def test_the_file_of_another_tenant_is_not_there(anna: httpx2.Client, bert: httpx2.Client) -> None:
    file = upload(anna, b"mine")["id"]
    assert {
        bert.get(f"/v1/files/{file}").status_code,
        bert.get(f"/v1/files/{file}/content").status_code,
        bert.delete(f"/v1/files/{file}").status_code,
    } == {404}


def test_the_job_of_another_tenant_is_not_there(anna: httpx2.Client, bert: httpx2.Client) -> None:
    job = submit(anna, jsonl([trajectory()])).json()["id"]
    paths = ("", "/results", "/errors", "/events")
    assert {bert.get(f"/v1/jobs/{job}{path}").status_code for path in paths} == {404}


def test_the_batch_of_another_tenant_is_not_there(anna: httpx2.Client, bert: httpx2.Client) -> None:
    file = upload(anna, b"{}\n")["id"]
    asked = {"input_file_id": file, "endpoint": "/v1/refinements", "completion_window": "24h"}
    batch = anna.post("/v1/batches", json=asked).json()["id"]
    assert bert.get(f"/v1/batches/{batch}").status_code == 404


def test_a_batch_on_the_file_of_another_tenant_is_refused(anna: httpx2.Client, bert: httpx2.Client) -> None:
    asked = {"input_file_id": upload(anna, b"{}\n")["id"], "endpoint": "/v1/refinements"}
    answer = bert.post("/v1/batches", json={**asked, "completion_window": "24h"})
    assert code_of(answer) == (400, "invalid_value")


def test_what_isnt_there_and_what_is_anothers_are_answered_alike(
    anna: httpx2.Client, bert: httpx2.Client
) -> None:
    file = upload(anna, b"mine")["id"]
    unknown = file[:-4] + ("0000" if file[-4:] != "0000" else "1111")
    said = [bert.get(f"/v1/files/{one}").json()["error"]["message"] for one in (file, unknown)]
    assert said[0].replace(file, "") == said[1].replace(unknown, "")


def test_lists_hold_only_what_is_the_tenants_own(anna: httpx2.Client, bert: httpx2.Client) -> None:
    mine = upload(anna, b"mine")["id"]
    assert mine not in {file["id"] for file in bert.get("/v1/files").json()["data"]}


def test_the_same_idempotency_key_of_two_tenants_is_two_jobs(
    anna: httpx2.Client, bert: httpx2.Client
) -> None:
    body = jsonl([trajectory()])
    jobs = {submit(client, body, **{"Idempotency-Key": "both"}).json()["id"] for client in (anna, bert)}
    assert len(jobs) == 2


def test_too_many_requests_are_told_when_to_come_back() -> None:
    with RunningGateway("memory:", requests_per_minute=2) as running, running.client(None) as client:
        answers = [client.get("/v1/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 30


def test_requests_are_let_in_again_as_time_goes_by() -> None:
    now = 0.0
    rates = RateLimit(2, lambda: now)
    assert [rates.wait("a") for _ in range(3)] == [0, 0, 30]
    now = 31.0
    assert rates.wait("a") == 0


def test_one_tenants_requests_dont_count_for_another() -> None:
    rates = RateLimit(1)
    assert [rates.wait("a"), rates.wait("b")] == [0, 0]


def test_a_job_of_a_tenant_is_worked_on_for_that_tenant(anna: httpx2.Client) -> None:
    job = submit(anna, jsonl([trajectory()])).json()["id"]
    found = eventually(lambda: anna.get(f"/v1/jobs/{job}").json(), lambda one: one["status"] == "completed")
    assert found["counts"]["kept"] == 1


def key_file(folder: Path, **promised: object) -> Path:
    """A key file of one tenant, whose key is ``idk_acme``."""
    file = folder / "keys.jsonl"
    line = {"tenant": "acme", "sha256": digest_of_key("idk_acme"), **promised}
    file.write_bytes(jsonl([line]))
    return file


SECRET = "whsec_" + "A" * 44


@pytest.mark.parametrize(
    "promised",
    [
        {"retention_days": 0},
        {"retention_days": "7"},
        {"retention_days": True},
        {"webhook_secret": "whsec_AAAA"},
        {"webhook_secret": 1},
    ],
)
def test_a_promise_that_cant_be_kept_is_refused(tmp_path: Path, promised: dict[str, object]) -> None:
    with pytest.raises(FieldError, match=next(iter(promised))):
        read_keys("", key_file(tmp_path, **promised))


def test_two_keys_of_a_tenant_promise_the_same(tmp_path: Path) -> None:
    file = key_file(tmp_path, retention_days=7)
    other = {"tenant": "acme", "sha256": digest_of_key("idk_other"), "retention_days": 8}
    file.write_bytes(file.read_bytes() + jsonl([other]))
    with pytest.raises(FieldError, match="differs"):
        read_keys("", file)


@pytest.mark.parametrize(("promised", "status"), [({}, 400), ({"webhook_secret": SECRET}, 202)])
def test_a_webhook_needs_a_secret_to_sign_it(tmp_path: Path, promised: dict[str, str], status: int) -> None:
    file = key_file(tmp_path, **promised)
    with RunningGateway("memory:", key_file=file) as running, running.client("idk_acme") as client:
        asked = {
            "operation": "verifications",
            "input_file_id": upload(client, jsonl([trajectory()]))["id"],
            "webhook": "https://example.org/hook",
        }
        assert client.post("/v1/jobs", json=asked).status_code == status
