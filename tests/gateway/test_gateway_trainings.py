"""Trainings over HTTP: a real gateway, a real trainer, and a student of some ten thousand weights."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cutting import CuttingWay
from engines import Engines
from gateway_asking import Made, code_of, eventually, upload
from running_gateway import ANNA, BERT, KEYS, RunningGateway
from serving_trainer import TrainerHouse
from small_students import SETTINGS, make_student, write_rows
from waiting import eventually as comes_true

from services.gateway.views import step_view
from shared.clients.platform import PlatformClient
from shared.domain.training import Lora, TrainingProgress, TrainingState
from shared.errors import FieldError, NotFoundError
from shared.published import PublishedModel, card_of

STEPS = 6
SMALL: Made = {"batch_size": 4, "steps": STEPS, "learning_rate": 1e-2, "precision": "float32"}
LONG = 100_000
AWAY = "127.0.0.1:1"
NOBODY = "train-01kat3v2v8q4h2m6d9x5c7f1rb"


@pytest.fixture(scope="module")
def pupil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("pupil"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl")


@pytest.fixture(scope="module")
def house(pupil: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainerHouse]:
    with TrainerHouse(tmp_path_factory.mktemp("house"), pupil) as entered:
        yield entered


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test waits for the trainings of the one before."""
    yield
    if "house" in request.fixturenames:
        request.getfixturevalue("house").call_off("anna")


def beside(house: TrainerHouse, **settings: Any) -> RunningGateway:
    """A gateway on the store of a trainer."""
    store = f"file:{house.work.parent / 'store'}"
    return RunningGateway(store, keys=KEYS, trainer=house.address, **settings)


@pytest.fixture(scope="module")
def training(house: TrainerHouse) -> Iterator[RunningGateway]:
    with beside(house) as running:
        yield running


@pytest.fixture
def client(training: RunningGateway) -> Iterator[httpx2.Client]:
    with training.client(ANNA) as opened:
        yield opened


@pytest.fixture
def other(training: RunningGateway) -> Iterator[httpx2.Client]:
    with training.client(BERT) as opened:
        yield opened


@pytest.fixture
def platform(training: RunningGateway) -> Iterator[PlatformClient]:
    with PlatformClient(training.url, ANNA) as opened:
        yield opened


@pytest.fixture(scope="module")
def file(training: RunningGateway, rows: Path) -> str:
    with training.client(ANNA) as opened:
        return str(upload(opened, rows.read_bytes(), "fine-tune")["id"])


@pytest.fixture(scope="module")
def done(training: RunningGateway, file: str) -> Made:
    """A training that succeeded."""
    with training.client(ANNA) as opened:
        ended = over(opened, begin(opened, file)["id"])
    assert ended["status"] == "succeeded", ended
    return ended


def body(file: str, **changed: Any) -> Made:
    return {"name": "graduate", "base_model": "pupil", "input_file_id": file, "settings": SMALL, **changed}


def begin(client: httpx2.Client, file: str, headers: Made | None = None, **settings: Any) -> Made:
    asked = body(file, settings={**SMALL, **settings})
    answer = client.post("/v1/trainings", json=asked, headers=headers)
    assert answer.status_code == 202, answer.text
    found: Made = answer.json()
    return found


def over(client: httpx2.Client, training: str) -> Made:
    """A training once it has ended."""
    return eventually(
        lambda: client.get(f"/v1/trainings/{training}").json(), lambda found: found["ended_at"] is not None
    )


def events(answer: httpx2.Response) -> list[tuple[str, Made]]:
    """(kind, data) of all events."""
    return [(event.event, json.loads(event.data)) for event in httpx2.EventSource(answer)]


def followed(client: httpx2.Client, training: str, **options: Any) -> list[tuple[str, Made]]:
    with client.stream("GET", f"/v1/trainings/{training}/events", **options) as answer:
        return events(answer)


def steps(told: list[tuple[str, Made]]) -> list[int]:
    return [shown["step"] for kind, shown in told if kind == "step"]


def test_a_training_of_an_uploaded_file_publishes_a_model(house: TrainerHouse, done: Made) -> None:
    card = card_of(house.store, PublishedModel("anna", "graduate", done["model"]["digest"]))
    assert (card["training"], card["rows"], card["settings"]["batch_size"]) == (done["id"], 20, 4)


def test_an_adapter_is_told_as_one(client: httpx2.Client, file: str) -> None:
    assert over(client, begin(client, file, lora={"rank": 2})["id"])["model"]["adapter"] is True


def test_every_step_is_told_as_an_event_and_then_the_end(client: httpx2.Client, file: str) -> None:
    told = followed(client, begin(client, file)["id"])
    kinds = [kind for kind, _ in told]
    assert (kinds, steps(told), told[-1][1]["status"]) == (
        ["training", *["step"] * STEPS, "end"],
        list(range(1, STEPS + 1)),
        "succeeded",
    )


def test_a_step_tells_loss_and_tokens_a_second(client: httpx2.Client, done: Made) -> None:
    shown = followed(client, done["id"])[1][1]
    assert (shown["object"], shown["loss"] > 0, shown["tokens_per_second"] > 0) == (
        "training.step",
        True,
        True,
    )


@pytest.mark.parametrize("behind", [{"params": {"after": 4}}, {"headers": {"Last-Event-ID": "4"}}])
def test_events_go_on_behind_a_step(client: httpx2.Client, done: Made, behind: Made) -> None:
    assert steps(followed(client, done["id"], **behind)) == [5, 6]


def test_a_loss_that_is_no_number_is_null() -> None:
    step = step_view(TrainingProgress(1, 2, math.nan, 0.1, 5, math.inf))
    assert json.loads(step.model_dump_json())["loss"] is None


def test_trainings_are_listed_newest_first_page_by_page(client: httpx2.Client, file: str) -> None:
    begun = [begin(client, file, steps=1)["id"] for _ in range(3)]
    first = client.get("/v1/trainings", params={"limit": 2}).json()
    second = client.get("/v1/trainings", params={"limit": 1, "after": first["last_id"]}).json()
    listed = [one["id"] for one in [*first["data"], *second["data"]]]
    assert (listed, first["has_more"]) == (begun[::-1], True)


def test_a_page_behind_the_last_training_is_empty(client: httpx2.Client, done: Made) -> None:
    found = client.get("/v1/trainings", params={"after": "train-" + "0" * 26}).json()
    assert (found["data"], found["has_more"]) == ([], False)


@pytest.mark.long
def test_a_cancelled_training_ends(client: httpx2.Client, file: str) -> None:
    begun = begin(client, file, steps=LONG)["id"]
    client.post(f"/v1/trainings/{begun}/cancel")
    assert over(client, begun)["status"] == "cancelled"


def test_one_that_has_ended_stays_as_it_is_where_it_is_cancelled(client: httpx2.Client, done: Made) -> None:
    assert client.post(f"/v1/trainings/{done['id']}/cancel").json() == done


@pytest.mark.parametrize("path", ["", "/events", "/cancel"])
def test_a_training_of_another_tenant_is_not_there(other: httpx2.Client, done: Made, path: str) -> None:
    method = "POST" if path == "/cancel" else "GET"
    assert code_of(other.request(method, f"/v1/trainings/{done['id']}{path}")) == (404, "not_found")


def test_trainings_of_another_tenant_are_not_listed(other: httpx2.Client, done: Made) -> None:
    assert other.get("/v1/trainings").json()["data"] == []


def test_a_file_of_another_tenant_is_not_there(other: httpx2.Client, file: str) -> None:
    assert code_of(other.post("/v1/trainings", json=body(file))) == (404, "not_found")


@pytest.mark.long
def test_a_row_that_can_not_be_used_fails_the_training_with_its_line(client: httpx2.Client) -> None:
    bad = upload(client, b'{"prompt": "?", "completion": "!"}\n{"prompt": "?"}\n')["id"]
    ended = over(client, begin(client, bad)["id"])
    assert (ended["status"], "line 2: completion: is missing" in ended["error"]) == ("failed", True)


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"base_model": "unheard-of"}, "base_model"),
        ({"name": "../x"}, "name"),
        ({"instruction": "\ud800"}, "instruction"),
        ({"settings": {"batch_size": 4, "micro_batch": 3}}, "settings.micro_batch"),
        ({"settings": {"learning_rate": -1}}, "settings.learning_rate"),
        ({"settings": {"steps": 1 << 40}}, "settings.steps"),
        ({"settings": {"leraning_rate": 1}}, "settings.leraning_rate"),
    ],
)
def test_what_can_not_be_trained_is_refused_by_field(
    client: httpx2.Client, file: str, changed: Made, param: str
) -> None:
    content = json.dumps(body(file, **changed)).encode()
    answer = client.post("/v1/trainings", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_the_same_idempotency_key_gives_the_same_training(client: httpx2.Client, file: str) -> None:
    begun = {begin(client, file, {"Idempotency-Key": "one"})["id"] for _ in range(3)}
    assert len(begun) == 1


@pytest.mark.long
def test_it_does_so_though_the_file_is_gone(client: httpx2.Client, rows: Path) -> None:
    own, key = upload(client, rows.read_bytes())["id"], {"Idempotency-Key": "two"}
    begun = begin(client, own, key)["id"]
    client.delete(f"/v1/files/{own}")
    assert (begin(client, own, key)["id"], over(client, begun)["status"]) == (begun, "succeeded")


def test_an_idempotency_key_stands_for_one_training(client: httpx2.Client, file: str) -> None:
    key = {"Idempotency-Key": "three"}
    begin(client, file, key)
    answer = client.post("/v1/trainings", json=body(file, name="another"), headers=key)
    assert code_of(answer) == (409, "drift")


def test_the_key_of_a_refused_request_is_free(client: httpx2.Client, file: str) -> None:
    key = {"Idempotency-Key": "four"}
    assert client.post("/v1/trainings", json=body(file, base_model="no"), headers=key).status_code == 400
    begin(client, file, key)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/trainings"),
        ("POST", "/v1/trainings"),
        ("GET", f"/v1/trainings/{NOBODY}"),
        ("GET", f"/v1/trainings/{NOBODY}/events"),
        ("POST", f"/v1/trainings/{NOBODY}/cancel"),
    ],
)
def test_without_a_trainer_nothing_is_trained(waiting_anna: httpx2.Client, method: str, path: str) -> None:
    asked = body("file-01kat3v2v8q4h2m6d9x5c7f1rb") if path.endswith("s") and method == "POST" else None
    answer = waiting_anna.request(method, path, json=asked)
    assert (code_of(answer), "IDIOLECT_TRAINER" in answer.text) == ((503, "unavailable"), True)


def test_a_trainer_that_is_away_is_told(rows: Path) -> None:
    with (
        RunningGateway("memory:", keys=KEYS, trainer=AWAY) as running,
        running.client() as opened,
    ):
        own = upload(opened, rows.read_bytes())["id"]
        assert code_of(opened.post("/v1/trainings", json=body(own))) == (503, "unavailable")


def test_a_gateway_is_ready_while_its_trainer_is_away() -> None:
    with (
        RunningGateway("memory:", keys=KEYS, trainer=AWAY) as running,
        running.client() as opened,
    ):
        answer = opened.get("/readyz")
        assert (answer.status_code, answer.json()["parts"]["trainer"] == "ok") == (200, False)


@pytest.mark.parametrize(("trains", "status"), [(True, 200), (False, 503)])
def test_a_gateway_is_ready_while_the_student_sleeps_for_a_trainer(
    engines: Engines, house: TrainerHouse, trains: bool, status: int
) -> None:
    trainer = house.address if trains else None
    lease = engines.student.run(engines.student.host.sleep("a training", 60.0, None))
    try:
        with (
            RunningGateway("memory:", student=engines.student.address, trainer=trainer) as running,
            running.client(None) as opened,
        ):
            assert opened.get("/readyz").status_code == status
    finally:
        engines.student.run(engines.student.host.wake(lease.id))


def test_events_end_when_the_gateway_stops(house: TrainerHouse, file: str) -> None:
    running = beside(house)
    with running, running.client() as opened:
        begun = begin(opened, file, steps=LONG)["id"]
        with opened.stream("GET", f"/v1/trainings/{begun}/events") as answer:
            told = iter(httpx2.EventSource(answer))
            next(told)
            running.server.stop()
            assert [event for event in told if event.event == "end"] == []
    house.client.of_tenant("anna").cancel(begun)


@pytest.mark.long
def test_events_without_an_end_are_all_that_is_told_when_the_trainer_goes(
    pupil: Path, rows: Path, tmp_path: Path
) -> None:
    own = TrainerHouse(tmp_path, pupil).__enter__()
    with beside(own) as running, running.client() as opened:
        begun = begin(opened, upload(opened, rows.read_bytes())["id"], steps=LONG)["id"]
        with opened.stream("GET", f"/v1/trainings/{begun}/events") as answer:
            told = iter(httpx2.EventSource(answer))
            assert [next(told).event for _ in range(2)] == ["training", "step"]
            own.__exit__()
            assert {event.event for event in told} <= {"step"}


@pytest.mark.long
def test_the_python_client_trains_a_file_and_watches_it(platform: PlatformClient, rows: Path) -> None:
    begun = platform.train(rows, "graduate", "pupil", SETTINGS)
    told = list(platform.watch_training(begun.id))
    assert [step and step.step for _, step in told] == [1, 2, 3, 4, 5, 6, None]
    assert (told[-1][0].state, told[-1][0].model) == (
        TrainingState.SUCCEEDED,
        f"models/graduate/{told[-1][0].digest}",
    )


def test_a_watch_that_breaks_off_tells_every_step_once(training: RunningGateway, done: Made) -> None:
    with (
        CuttingWay(training.address, cuts=2, size=1100) as way,
        PlatformClient(way.url, ANNA) as opened,
    ):
        told = list(opened.watch_training(done["id"]))
    assert ([step and step.step for _, step in told], way.spent) == ([1, 2, 3, 4, 5, 6, None], True)


def test_a_training_whose_answer_was_lost_is_begun_once(training: RunningGateway, file: str) -> None:
    with (
        CuttingWay(training.address, cuts=1, size=40) as way,
        PlatformClient(way.url, ANNA) as opened,
        PlatformClient(training.url, ANNA) as straight,
    ):
        before = {one.id for one in straight.trainings()}
        begun = opened.train(file, "graduate", "pupil", SETTINGS)
        assert ({one.id for one in straight.trainings()} - before, way.spent) == ({begun.id}, True)


def test_the_python_client_names_what_the_trainer_refuses(platform: PlatformClient, file: str) -> None:
    with pytest.raises(FieldError) as caught:
        platform.train(file, "graduate", "unheard-of", SETTINGS)
    assert (caught.value.field, caught.value.cure) == ("base_model", "use an allowed one: pupil")


def test_the_python_client_ends_a_training(platform: PlatformClient, file: str) -> None:
    begun = platform.train(file, "graduate", "pupil", replace(SETTINGS, steps=LONG, lora=Lora(2)))
    platform.cancel_training(begun.id)
    assert comes_true(lambda: platform.training(begun.id).state is TrainingState.CANCELLED, 240)


def test_the_python_client_finds_no_training_that_is_not_there(platform: PlatformClient) -> None:
    with pytest.raises(NotFoundError):
        platform.training(NOBODY)
