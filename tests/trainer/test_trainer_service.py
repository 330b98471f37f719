"""The trainer service over real gRPC: begun, followed, ended, taken up again, published."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from serving_trainer import TENANT, TrainerHouse
from small_students import SETTINGS, ignore, losses, order_of
from waiting import eventually

from services.inference.checkpoint import load_checkpoint
from services.trainer.local import LocalTrainer
from shared.clients.trainer import TrainerClient
from shared.domain.training import Loss, TrainingSettings, TrainingState
from shared.errors import DriftError, FieldError, NotFoundError
from shared.jobs.ids import new_id
from shared.published import PublishedModel, card_of, fetch
from shared.rpc.wire.trainings import settings_message, settings_of

LONG = 100_000


@pytest.fixture(scope="module")
def house(pupil: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainerHouse]:
    with TrainerHouse(tmp_path_factory.mktemp("house"), pupil) as entered:
        yield entered


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test waits for the trainings of the one before."""
    yield
    if "house" in request.fixturenames:
        request.getfixturevalue("house").call_off()


@pytest.fixture(scope="module")
def done(house: TrainerHouse, rows: Path) -> PublishedModel:
    """The model of a training that succeeded."""
    ended = house.end(house.start(rows).id)
    assert ended.state is TrainingState.SUCCEEDED, ended.error
    assert ended.digest is not None
    return PublishedModel(TENANT, ended.name, ended.digest)


def running(house: TrainerHouse, training: str) -> bool:
    return house.client.get(training).step > 0


def test_every_step_is_watched_as_the_trainer_in_process_tells_it(
    house: TrainerHouse, pupil: Path, rows: Path, tmp_path: Path
) -> None:
    told = [step for _, step in house.client.watch(house.start(rows).id) if step is not None]
    own = LocalTrainer("cpu").train(order_of(pupil, rows), tmp_path, ignore)
    assert losses(tuple(told)) == pytest.approx(losses(own.curve), rel=1e-4)


def test_watching_goes_on_behind_a_step(house: TrainerHouse, rows: Path) -> None:
    training = house.start(rows).id
    ended = house.end(training)
    assert ended.state is TrainingState.SUCCEEDED, ended
    steps = [step.step for _, step in house.client.watch(training, after=4) if step is not None]
    assert steps == [5, 6]


def test_a_published_model_loads_under_its_digest(
    house: TrainerHouse, done: PublishedModel, tmp_path: Path
) -> None:
    assert load_checkpoint(fetch(house.store, done, tmp_path), threads=1).digest == done.digest


def test_its_card_says_where_it_comes_from(house: TrainerHouse, done: PublishedModel, rows: Path) -> None:
    card = card_of(house.store, done)
    told = (card["arm"], card["base"], card["data_sha256"], card["rows"], card["settings"]["batch_size"])
    assert told == ("native", "pupil", house.put_rows(rows), 20, 4)


def test_the_same_training_publishes_once(house: TrainerHouse, done: PublishedModel, rows: Path) -> None:
    before = house.store.get(done.card)
    house.end(house.start(rows).id)
    assert house.store.get(done.card) == before


def test_trainings_are_listed_newest_first_page_by_page(house: TrainerHouse, rows: Path) -> None:
    begun = [house.start(rows, steps=1).id for _ in range(3)]
    first, token = house.client.list(size=2)
    second, _ = house.client.list(size=1, token=token)
    assert [training.id for training in [*first, *second]] == begun[::-1]


def test_a_name_space_does_not_see_the_trainings_of_another(
    house: TrainerHouse, done: PublishedModel
) -> None:
    with TrainerClient(house.client._connection.target, "stranger") as stranger:
        assert stranger.list() == ([], "")


@pytest.mark.long
def test_one_training_waits_for_the_other(house: TrainerHouse, rows: Path) -> None:
    first = house.start(rows, steps=LONG).id
    second = house.start(rows).id
    assert eventually(lambda: running(house, first), 240)
    assert house.client.get(second).state is TrainingState.QUEUED
    house.client.cancel(first)
    assert house.end(second).state is TrainingState.SUCCEEDED


def test_a_cancelled_training_keeps_its_checkpoint(house: TrainerHouse, rows: Path) -> None:
    training = house.start(rows, steps=LONG).id
    assert eventually(lambda: running(house, training), 240)
    house.client.cancel(training)
    ended = house.end(training)
    mark = house.work / training / "checkpoints" / f"checkpoint-{ended.step}" / "whole"
    assert (ended.state, mark.is_file()) == (TrainingState.CANCELLED, True)


def test_a_training_that_waits_can_be_cancelled(house: TrainerHouse, rows: Path) -> None:
    first, second = (house.start(rows, steps=LONG).id for _ in range(2))
    house.client.cancel(second)
    house.client.cancel(first)
    assert (house.end(second).state, house.end(second).step) == (TrainingState.CANCELLED, 0)


def test_a_killed_training_fails_and_the_service_goes_on(house: TrainerHouse, rows: Path) -> None:
    training = house.start(rows, steps=LONG).id
    assert eventually(lambda: running(house, training), 240)
    assert house.core._child is not None
    os.killpg(house.core._child.pid, signal.SIGKILL)
    assert house.end(training).error is not None
    assert house.end(house.start(rows).id).state is TrainingState.SUCCEEDED


def crash(house: TrainerHouse, training: str, before: int = 0) -> int:
    """Crash a training as it starts; the process id of its guard. `before`: that of its last start."""

    def guard() -> int:
        core = house.core
        begun = core._current is not None and core._current.id == training and core._child is not None
        return core._child.pid if begun else before

    assert eventually(lambda: guard() != before, 60)
    leader = psutil.Process(guard())
    # Between fork and exec a child still has its guard's command line.
    assert eventually(
        lambda: [child.cmdline() for child in leader.children()] not in ([], [leader.cmdline()]), 60
    )
    leader.children()[0].send_signal(signal.SIGSEGV)
    return leader.pid


def test_a_training_that_crashes_before_its_first_step_begins_again_once(
    house: TrainerHouse, rows: Path
) -> None:
    lucky = house.start(rows).id
    crash(house, lucky)
    assert house.end(lucky).state is TrainingState.SUCCEEDED
    luckless = house.start(rows, steps=LONG).id
    crash(house, luckless, before=crash(house, luckless))
    assert "signal 11" in (house.end(luckless).error or "")


def test_a_bad_row_fails_the_training_with_its_line(house: TrainerHouse, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({"prompt": "?", "completion": "!"}) + "\n" + json.dumps({"prompt": "?"}) + "\n")
    digest = house.put_rows(bad, "files/bad")
    request = replace(house.request(bad), data="files/bad", data_digest=digest)
    assert "line 2: completion: is missing" in (house.end(house.client.start(request).id).error or "")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"data_digest": "0" * 64}, "data_digest"),
        ({"data": "files/none"}, "data"),
        ({"data": "../other/files/rows"}, "data"),
        ({"base": "unheard-of"}, "base_model"),
        ({"name": "../x"}, "name"),
        ({"id": "train-mine"}, "id"),
        ({"settings": TrainingSettings(learning_rate=-1)}, "settings.learning_rate"),
        ({"settings": TrainingSettings(batch_size=4, micro_batch=3)}, "settings.micro_batch"),
    ],
)
def test_what_can_not_work_is_refused_by_field(
    house: TrainerHouse, rows: Path, changed: dict[str, object], field: str
) -> None:
    house.put_rows(rows)
    with pytest.raises(FieldError) as caught:
        house.client.start(replace(house.request(rows), **changed))
    assert caught.value.field == field


def test_a_training_is_begun_once_under_its_id(house: TrainerHouse, rows: Path) -> None:
    request = replace(house.request(rows, steps=1), id=new_id("train"))
    begun = [house.client.start(request).id for _ in range(2)]
    listed, _ = house.client.list(size=2)
    assert (set(begun), [one.id == begun[0] for one in listed]) == ({request.id}, [True, False])


def test_another_training_under_an_id_is_refused_with_the_difference(house: TrainerHouse, rows: Path) -> None:
    training = house.start(rows, steps=1).id
    with pytest.raises(DriftError, match=r"settings\.seed: 0 -> 7"):
        house.client.start(replace(house.request(rows, steps=1, seed=7), id=training))


@pytest.mark.long
def test_other_rows_leave_a_training_that_waits_its_own(house: TrainerHouse, rows: Path) -> None:
    first, second = house.start(rows, steps=LONG).id, house.start(rows).id
    with pytest.raises(DriftError):
        house.client.start(replace(house.request(rows), data_digest="0" * 64, id=second))
    house.client.cancel(first)
    assert house.end(second).state is TrainingState.SUCCEEDED


def test_an_unknown_training_is_not_found(house: TrainerHouse) -> None:
    with pytest.raises(NotFoundError, match="there is no training"):
        house.client.get("train-nonsense")


def test_settings_are_the_same_after_the_wire() -> None:
    settings = replace(SETTINGS, loss=Loss.DFT, schedule="linear", final_share=0.1, betas=(0.8, 0.9))
    assert settings_of(settings_message(settings)) == settings


def test_settings_that_are_not_named_are_the_defaults() -> None:
    from shared.rpc.generated.idiolect.trainer.v1 import trainer_pb2 as pb

    assert settings_of(pb.TrainingSettings()) == TrainingSettings()


def test_the_metrics_tell_loss_and_tokens(house: TrainerHouse, rows: Path) -> None:
    training = house.start(rows, steps=LONG).id
    assert eventually(lambda: running(house, training), 240)
    told = house.metrics()
    house.client.cancel(training)
    assert all(name in told for name in ("idiolect_training_loss ", "idiolect_training_tokens_total "))


@pytest.mark.long
def test_a_service_that_starts_again_takes_up_its_training(pupil: Path, rows: Path, tmp_path: Path) -> None:
    with TrainerHouse(tmp_path, pupil) as first:
        training = first.start(rows, steps=400, save_every=5).id
        assert eventually(lambda: running(first, training), 240)
    with TrainerHouse(tmp_path, pupil) as second:
        told = [step.step for _, step in second.client.watch(training) if step is not None]
        ended = second.client.get(training)
    assert (told, ended.state) == (list(range(1, 401)), TrainingState.SUCCEEDED)


@pytest.mark.long
def test_a_service_that_lost_its_folder_begins_again(pupil: Path, rows: Path, tmp_path: Path) -> None:
    import shutil

    with TrainerHouse(tmp_path, pupil) as first:
        training = first.start(rows, steps=400).id
        assert eventually(lambda: running(first, training), 240)
    shutil.rmtree(tmp_path / "work")
    with TrainerHouse(tmp_path, pupil) as second:
        assert second.end(training).state is TrainingState.SUCCEEDED
