"""What a training leaves: a folder that loads, and clear words where it can't leave one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_students import ignore, order_of

from services.inference.checkpoint import load_checkpoint
from services.inference.transformers.engine import TransformersEngine, TransformersSettings
from services.trainer.local import LocalTrainer
from shared.domain import ModelInfo
from shared.domain.training import Lora, TrainedModel
from shared.errors import DriftError, FieldError, StoppedError, UnavailableError
from shared.ports import Trainer

TEXT = "7 + 7 = 14. <|im_end|> So it is."


@pytest.fixture(scope="module")
def trained(pupil: Path, rows: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return LocalTrainer("cpu").train(order_of(pupil, rows), tmp_path_factory.mktemp("trained"), ignore)


def served(model: str, adapter: Path | None = None) -> ModelInfo:
    """How an engine names the model."""

    async def serve() -> ModelInfo:
        engine = await TransformersEngine.start(TransformersSettings(model, "cpu", 1))
        try:
            return engine.info if adapter is None else await engine.adapt(str(adapter))
        finally:
            await engine.close()

    return asyncio.run(serve())


def test_it_is_a_trainer() -> None:
    assert isinstance(LocalTrainer(), Trainer)


def test_the_model_loads_with_the_digest_that_was_told(trained: TrainedModel) -> None:
    assert load_checkpoint(trained.folder, threads=1).digest == trained.digest


def test_an_engine_serves_it_under_the_same_digest(trained: TrainedModel) -> None:
    assert served(str(trained.folder)).digest == trained.digest


def test_texts_have_the_same_ids_as_in_the_base(pupil: Path, trained: TrainedModel) -> None:
    before, after = (load_checkpoint(folder, threads=1) for folder in (pupil, trained.folder))
    assert (after.prompt("2 + 2?"), after.encode(TEXT)) == (before.prompt("2 + 2?"), before.encode(TEXT))


def test_ids_give_their_text_back(trained: TrainedModel) -> None:
    checkpoint = load_checkpoint(trained.folder, threads=1)
    plain = TEXT.replace("<|im_end|>", "")
    assert checkpoint.decode(checkpoint.encode(plain)[0]) == plain


def test_the_configuration_stays_the_bases(pupil: Path, trained: TrainedModel) -> None:
    names = ("config.json", "generation_config.json")
    assert [(trained.folder / name).read_bytes() for name in names] == [
        (pupil / name).read_bytes() for name in names
    ]


def test_the_folder_holds_the_model_and_nothing_else(trained: TrainedModel) -> None:
    assert sorted(path.name for path in trained.folder.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_the_same_order_gives_the_same_model(
    pupil: Path, rows: Path, trained: TrainedModel, tmp_path: Path
) -> None:
    again = LocalTrainer("cpu").train(order_of(pupil, rows), tmp_path, ignore)
    assert again.digest == trained.digest


def test_what_is_done_is_not_done_again(pupil: Path, rows: Path, trained: TrainedModel) -> None:
    steps: list[object] = []
    LocalTrainer("cpu").train(order_of(pupil, rows), trained.folder.parent, steps.append)
    assert steps == []


def test_the_number_of_threads_stays_as_it_was(pupil: Path, rows: Path, tmp_path: Path) -> None:
    import torch

    before = torch.get_num_threads()
    LocalTrainer("cpu").train(order_of(pupil, rows, steps=1), tmp_path, ignore)
    assert torch.get_num_threads() == before


def test_an_adapter_is_served_under_the_digest_that_was_told(pupil: Path, rows: Path, tmp_path: Path) -> None:
    made = LocalTrainer("cpu").train(order_of(pupil, rows, lora=Lora(rank=4)), tmp_path, ignore)
    assert served(str(pupil), made.folder).digest == made.digest


def test_an_adapter_is_the_same_wherever_its_base_lies(pupil: Path, rows: Path, tmp_path: Path) -> None:
    moved = tmp_path / pupil.name
    moved.symlink_to(pupil)
    asked = {"lora": Lora(rank=4), "steps": 1}
    one = LocalTrainer("cpu").train(order_of(pupil, rows, **asked), tmp_path / "one", ignore)
    other = LocalTrainer("cpu").train(order_of(moved, rows, **asked), tmp_path / "other", ignore)
    assert one.digest == other.digest


def test_a_loss_that_is_no_number_is_named_with_its_step(pupil: Path, rows: Path, tmp_path: Path) -> None:
    order = order_of(pupil, rows, learning_rate=1e38)
    with pytest.raises(FieldError, match=r"settings\.learning_rate: .*(loss is (nan|inf)|weights became)"):
        LocalTrainer("cpu").train(order, tmp_path, ignore)


def test_a_loss_that_is_no_number_leaves_no_model(pupil: Path, rows: Path, tmp_path: Path) -> None:
    with pytest.raises(FieldError):
        LocalTrainer("cpu").train(order_of(pupil, rows, learning_rate=1e38), tmp_path, ignore)
    assert not (tmp_path / "model").exists()


def test_an_unknown_base_is_named(rows: Path, tmp_path: Path) -> None:
    order = order_of(tmp_path / "nowhere", rows)
    with pytest.raises(FieldError, match=r"base: .*nowhere.* can't be loaded"):
        LocalTrainer("cpu").train(order, tmp_path, ignore)


def test_a_folder_of_another_order_is_refused_with_the_difference(
    pupil: Path, rows: Path, trained: TrainedModel
) -> None:
    with pytest.raises(DriftError, match=r"settings\.learning_rate: 0\.01 -> 0\.02"):
        LocalTrainer("cpu").train(order_of(pupil, rows, learning_rate=0.02), trained.folder.parent, ignore)


def test_other_rows_are_refused_as_well(pupil: Path, trained: TrainedModel, tmp_path: Path) -> None:
    other = tmp_path / "rows.jsonl"
    other.write_text(json.dumps({"prompt": "?", "completion": "!"}) + "\n")
    with pytest.raises(DriftError, match="rows: "):
        LocalTrainer("cpu").train(order_of(pupil, other), trained.folder.parent, ignore)


def test_a_training_that_is_stopped_goes_on_to_the_same_model(
    pupil: Path, rows: Path, trained: TrainedModel, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError, match="after step 1"):
        LocalTrainer("cpu", stop=lambda: True).train(order_of(pupil, rows), tmp_path, ignore)
    resumed = LocalTrainer("cpu").train(order_of(pupil, rows), tmp_path, ignore)
    assert resumed.digest == trained.digest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB: room for the model, none for a checkpoint."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine mounts no tmpfs")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_disk_that_is_full_at_a_checkpoint_is_told_as_that(
    pupil: Path, rows: Path, small_disk: Path
) -> None:
    with pytest.raises(UnavailableError, match="there is no room left in"):
        LocalTrainer("cpu").train(order_of(pupil, rows, save_every=1), small_disk, ignore)


def test_a_disk_that_is_full_at_the_end_leaves_no_model(pupil: Path, rows: Path, small_disk: Path) -> None:
    (small_disk / "other").write_bytes(b"x" * 150_000)
    with pytest.raises(UnavailableError, match="there is no room left in"):
        LocalTrainer("cpu").train(order_of(pupil, rows), small_disk, ignore)
    assert not (small_disk / "model").exists()
