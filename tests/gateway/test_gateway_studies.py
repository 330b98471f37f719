"""Studies over HTTP: a real gateway, and a real host that runs them on the shipped student."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gateway_asking import Made, code_of, eventually, upload
from running_gateway import ANNA, BERT, RunningGateway
from study_host import HostProcess

from services.gateway.auth import digest_of_key
from services.gateway.study_schemas import CONFIG
from shared.clients.platform import PlatformClient
from shared.errors import FieldError
from shared.jobs.order import JobState
from shared.store import open_store
from shared.study.records import StudyEnd, StudyRecords

# What a stage leaves first.
PIECES = ("sample/*.jsonl", "scores/*.jsonl", "train/*.jsonl", "evaluate/*.jsonl")
ENDS = ("completed", "failed", "cancelled")
PATIENCE = 300.0
NOBODY = "study-01kat3v2v8q4h2m6d9x5c7f1rb"


def changed(path: str, value: object) -> Made:
    """The small config with another value at a dotted path."""
    config: Any = copy.deepcopy(CONFIG)
    *way, last = path.split(".")
    place = config
    for name in way:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = value
    return dict(config)


FILE = {
    "kind": "file",
    "file": "file-01kat3v2v8q4h2m6d9x5c7f1rb",
    "held_out_file": "file-01kat3v2v8q4h2m6d9x5c7f1rb",
    "count": 1,
}
SMALL = {
    **CONFIG,
    "count": 12,
    "problems": {"kind": "miniature", "count": 30, "held_out": 8},
    "training": {"steps": [2], "batch_size": 4, "rates": {"sft": 1e-3}},
    "evaluation": {"samples": 1, "max_tokens": 64},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def gateway(place: Path) -> Iterator[RunningGateway]:
    """Anna may run studies, Bert may not."""
    lines: list[Made] = [
        {"tenant": "anna", "sha256": digest_of_key(ANNA), "may": ["studies"]},
        {"tenant": "bert", "sha256": digest_of_key(BERT)},
    ]
    keys = place / "keys.jsonl"
    keys.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with RunningGateway(f"file:{place / 'store'}", key_file=keys) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[httpx2.Client]:
    with gateway.client(ANNA) as opened:
        yield opened


@pytest.fixture
def alone() -> Iterator[httpx2.Client]:
    """A tenant of a gateway on whose store no host ever was."""
    with RunningGateway("memory:") as running, running.client(None) as opened:
        yield opened


def begun(client: httpx2.Client, config: Made, **headers: str) -> Made:
    answer = client.post("/v1/studies", json={"config": config}, headers=headers)
    assert answer.status_code == 202, answer.text
    found: Made = answer.json()
    return found


def over(client: httpx2.Client, study: str) -> Made:
    """A study once it has ended."""
    return eventually(
        lambda: client.get(f"/v1/studies/{study}").json(), lambda found: found["status"] in ENDS, PATIENCE
    )


def killed_at_every_stage(place: Path, study: str) -> int:
    """Kill the host as soon as a stage has left its first piece, stage after stage; how often."""
    cell = place / "state" / "studies" / "anna" / study / "study" / "cells" / "student1.draw1"
    kills = 0
    for piece in PIECES:
        with HostProcess(place) as host:
            eventually(
                lambda piece=piece: {"found": [one for one in cell.glob(piece) if one.name[0] != "."]},  # type: ignore[misc]
                lambda seen: bool(seen["found"]),
                PATIENCE,
            )
            host.kill()
            kills += 1
    return kills


@pytest.fixture(scope="module")
def studies(gateway: RunningGateway, place: Path) -> tuple[Made, Made]:
    """A study whose host was killed at every stage, and the same one left in peace; both ended."""
    with gateway.client(ANNA) as opened:
        killed = begun(opened, SMALL)["id"]
        assert killed_at_every_stage(place, killed) == len(PIECES)
        with HostProcess(place):
            peaceful = begun(opened, SMALL)["id"]
            return over(opened, killed), over(opened, peaceful)


@pytest.mark.long
@pytest.mark.slow
def test_a_study_whose_host_was_killed_completes(studies: tuple[Made, Made]) -> None:
    assert [(one["status"], one["error"]) for one in studies] == [("completed", None)] * 2


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", ["report.json", "table.md", "summary.json", "report.html"])
def test_after_the_kills_every_result_is_that_of_a_study_left_in_peace(
    client: httpx2.Client, studies: tuple[Made, Made], name: str
) -> None:
    killed, peaceful = (client.get(f"/v1/studies/{one['id']}/results/{name}") for one in studies)
    assert (killed.status_code, killed.content) == (200, peaceful.content)


@pytest.mark.long
@pytest.mark.slow
def test_the_results_tell_no_path_of_the_host(
    client: httpx2.Client, place: Path, studies: tuple[Made, Made]
) -> None:
    texts = [
        client.get(f"/v1/studies/{studies[0]['id']}/results/{name}").text for name in studies[0]["results"]
    ]
    assert not any(str(place) in text or "/services/embedded" in text for text in texts)


@pytest.mark.long
@pytest.mark.slow
def test_a_study_tells_its_stages(studies: tuple[Made, Made]) -> None:
    sentences = [stage["name"].rpartition(": ")[2] for stage in studies[1]["stages"]]
    told = [sentence.split()[0] for sentence in sentences]
    assert told[-4:] == ["sample", "arms", "score", "train"]
    assert all(stage["ended"] for stage in studies[1]["stages"])


@pytest.mark.long
@pytest.mark.slow
def test_events_of_an_ended_study_are_its_end(client: httpx2.Client, studies: tuple[Made, Made]) -> None:
    with client.stream("GET", f"/v1/studies/{studies[0]['id']}/events") as answer:
        told = [(event.event, json.loads(event.data)) for event in httpx2.EventSource(answer)]
    assert told == [("end", studies[0])]


@pytest.mark.long
@pytest.mark.slow
def test_the_results_of_another_tenant_are_not_there(
    gateway: RunningGateway, studies: tuple[Made, Made]
) -> None:
    with gateway.client(BERT) as bert:
        assert code_of(bert.get(f"/v1/studies/{studies[0]['id']}/results/table.md")) == (404, "not_found")


@pytest.mark.slow
def test_a_running_study_is_cancelled_within_seconds(client: httpx2.Client, place: Path) -> None:
    with HostProcess(place):
        study = begun(client, changed("problems.count", 5000))["id"]
        eventually(
            lambda: client.get(f"/v1/studies/{study}").json(), lambda found: bool(found["stages"]), PATIENCE
        )
        assert client.post(f"/v1/studies/{study}/cancel").json()["status"] == "cancelling"
        told = eventually(
            lambda: client.get(f"/v1/studies/{study}").json(), lambda found: found["status"] in ENDS, 15.0
        )
    assert told["status"] == "cancelled"


@pytest.mark.slow
def test_problems_of_an_uploaded_file_are_used_though_it_is_deleted(
    client: httpx2.Client, place: Path
) -> None:
    files = [
        upload(client, b"".join(problem(number) for number in numbers))["id"]
        for numbers in (range(1, 31), range(31, 40))
    ]
    told = {"kind": "file", "file": files[0], "count": 30, "held_out_file": files[1], "held_out": 8}
    arms = [{"name": "native"}, {"name": "reference"}]
    config = {**SMALL, "native": "any", "source": "native", "problems": told, "arms": arms}
    study = begun(client, config)["id"]
    for file in files:
        client.delete(f"/v1/files/{file}")
    with HostProcess(place):
        assert over(client, study)["error"] is None


@pytest.mark.slow
def test_a_failed_study_is_deleted_with_the_folder_of_its_host(client: httpx2.Client, place: Path) -> None:
    once = {"Idempotency-Key": "once"}
    study = begun(client, SMALL, **once)["id"]
    folder = place / "state" / "studies" / "anna" / study
    (folder / "study").mkdir(parents=True)
    records = StudyRecords(open_store(f"file:{place / 'store'}"))
    records.finish(records.get("anna", study), StudyEnd(JobState.FAILED, 0.0, "no memory"))
    with HostProcess(place):
        assert client.get(f"/v1/studies/{study}").json()["error"] == "no memory"
        assert client.delete(f"/v1/studies/{study}").json()["deleted"] is True
        eventually(lambda: {"there": folder.exists()}, lambda found: not found["there"], 30.0)
    assert code_of(client.get(f"/v1/studies/{study}")) == (404, "not_found")
    assert begun(client, SMALL, **once)["error"] is None
    client.post(f"/v1/studies/{study}/cancel")


def problem(number: int) -> bytes:
    told = {
        "id": f"p{number}",
        "problem": f"Tom has {number} apples. He buys 2 apples. How many apples does Tom have?",
        "gold": str(number + 2),
        "reference": f"{number} + 2 = {number + 2}\nThe answer is {number + 2}.",
    }
    return json.dumps(told).encode() + b"\n"


@pytest.mark.slow
def test_a_model_that_the_host_does_not_allow_is_named(client: httpx2.Client, place: Path) -> None:
    with HostProcess(place, models="mine=/models/mine"):
        told = eventually(lambda: ask(client, "theirs"), lambda seen: "one of: mine" in seen["message"])
    assert (told["status"], told["param"]) == (400, "config.student.models[0]")


def ask(client: httpx2.Client, model: str) -> Made:
    """How a study of that model is refused; one that is taken in is ended."""
    answer = client.post("/v1/studies", json={"config": changed("student.models", [model])})
    if answer.status_code == 202:
        client.post(f"/v1/studies/{answer.json()['id']}/cancel")
        return {"status": 202, "param": None, "message": ""}
    error = answer.json()["error"]
    return {"status": answer.status_code, "param": error["param"], "message": error["message"]}


def test_a_key_without_the_permission_is_told_how_to_get_it(gateway: RunningGateway) -> None:
    with gateway.client(BERT) as bert:
        answer = bert.post("/v1/studies", json={"config": CONFIG})
    assert code_of(answer) == (403, "not_permitted")
    assert '"may": ["studies"]' in answer.json()["error"]["message"]


def test_without_a_host_a_study_waits_and_says_so(alone: httpx2.Client) -> None:
    told = begun(alone, CONFIG)
    assert (told["status"], "idiolect up --studies" in told["waits"]) == ("queued", True)


def test_results_have_to_wait_for_the_end(alone: httpx2.Client) -> None:
    study = begun(alone, CONFIG)["id"]
    assert code_of(alone.get(f"/v1/studies/{study}/results/table.md")) == (409, "not_ended")


def test_a_study_that_goes_on_is_not_deleted(alone: httpx2.Client) -> None:
    study = begun(alone, CONFIG)["id"]
    answer = alone.delete(f"/v1/studies/{study}")
    assert (answer.status_code, "cancel it" in answer.json()["error"]["message"]) == (400, True)
    assert alone.get(f"/v1/studies/{study}").json()["status"] == "queued"


def test_a_waiting_study_is_cancelled(alone: httpx2.Client) -> None:
    study = begun(alone, CONFIG)["id"]
    assert alone.post(f"/v1/studies/{study}/cancel").json()["status"] == "cancelling"


@pytest.mark.parametrize(
    ("path", "value", "param"),
    [
        ("student.models", ["/etc"], "config.student.models[0]"),
        ("student.models", ["../student"], "config.student.models[0]"),
        ("student.models", ["HuggingFaceTB/SmolLM2"], "config.student.models[0]"),
        ("problems", {**FILE, "file": "/etc/passwd"}, "config.problems.file"),
        ("problems", {**FILE, "held_out_file": "gsm8k-test-60.jsonl"}, "config.problems.held_out_file"),
        ("oracles.distant", {"kind": "openai", "base_url": "http://10.0.0.1"}, "config.oracles.distant.kind"),
        ("reward", "some-folder", "config.reward"),
        ("arms.1.oracle", "weak", "config.arms[1].oracle"),
        ("training.rates.sft", 10**400, "config.training.rates.sft"),
        ("seeds", [], "config.seeds"),
        ("unknown", 1, "config.unknown"),
    ],
)  # fmt: skip
def test_what_a_study_can_not_be_told_is_named_by_its_path(
    alone: httpx2.Client, path: str, value: object, param: str
) -> None:
    answer = alone.post("/v1/studies", json={"config": changed(path, value)})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_file_that_is_not_there_is_refused_and_the_key_is_free_again(alone: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "once"}
    answer = alone.post("/v1/studies", json={"config": changed("problems", FILE)}, headers=headers)
    assert code_of(answer) == (404, "not_found")
    assert begun(alone, CONFIG, **headers)["status"] == "queued"


def test_one_idempotency_key_makes_one_study(alone: httpx2.Client) -> None:
    made = [begun(alone, CONFIG, **{"Idempotency-Key": "once"})["id"] for _ in range(2)]
    assert made[0] == made[1]
    answer = alone.post(
        "/v1/studies", json={"config": changed("count", 31)}, headers={"Idempotency-Key": "once"}
    )
    assert code_of(answer) == (409, "drift")


def test_studies_are_listed_newest_first_page_by_page(alone: httpx2.Client) -> None:
    made = [begun(alone, CONFIG)["id"] for _ in range(3)]
    first = alone.get("/v1/studies?limit=2").json()
    rest = alone.get(f"/v1/studies?limit=2&after={first['last_id']}").json()
    assert [one["id"] for one in (*first["data"], *rest["data"])] == made[::-1]


@pytest.mark.parametrize("path", ["", "/events", "/results/table.md"])
def test_a_study_that_is_not_there_is_not_found(alone: httpx2.Client, path: str) -> None:
    assert code_of(alone.get(f"/v1/studies/{NOBODY}{path}")) == (404, "not_found")


def test_the_python_client_begins_and_ends_a_study() -> None:
    with RunningGateway("memory:") as running, PlatformClient(running.url) as platform:
        study = platform.begin_study(CONFIG)
        assert [one["id"] for one in platform.studies()] == [study["id"]]
        assert platform.cancel_study(study["id"])["status"] == "cancelling"
        assert platform.study(study["id"])["status"] == "cancelling"
        with pytest.raises(FieldError, match="arms"):
            platform.begin_study({**CONFIG, "arms": []})
