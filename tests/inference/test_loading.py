"""Other weights and adapters: safetensors only, taken up after what runs, and told by digest."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.inference.transformers.desk import Desk
from services.inference.transformers.engine import TransformersEngine
from shared.domain import Message, ModelInfo, Prompt, TokenScores
from shared.errors import FieldError, UnavailableError

PROMPT = Prompt((Message("user", "What is 6 times 7?"),))
TEXT = "6 times 7 is 42."


@pytest.fixture(scope="module")
def lora(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter for the tiny model that changes what it says."""
    import peft
    import transformers

    folder = tmp_path_factory.mktemp("lora")
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny)
    asked = peft.LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    peft.get_peft_model(model, asked).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def served(tiny: Path) -> Iterator[TransformersEngine]:
    """An engine on the tiny model."""
    engine = asyncio.run(TransformersEngine.over(lambda: Desk(load_checkpoint(tiny, threads=1), threads=1)))
    yield engine
    asyncio.run(engine.close())


async def scored(engine: TransformersEngine, source: str | None) -> tuple[ModelInfo, TokenScores]:
    """Info and scores with an adapter; the bare model is back afterwards."""
    info = await engine.adapt(source)
    try:
        return info, await engine.score(PROMPT, TEXT)
    finally:
        await engine.adapt(None)


def test_another_model_is_served_after_a_load(smollm: Checkpoint, tiny: Path) -> None:
    async def main() -> tuple[str, str]:
        engine = await TransformersEngine.over(lambda: Desk(smollm, threads=1))
        try:
            return engine.info.digest, (await engine.load(str(tiny))).digest
        finally:
            await engine.close()

    before, after = asyncio.run(main())
    assert (before, after) == (smollm.digest, load_checkpoint(tiny, threads=1).digest)


def test_an_adapter_changes_digest_and_scores(served: TransformersEngine, lora: Path) -> None:
    bare = asyncio.run(scored(served, None))
    adapted = asyncio.run(scored(served, str(lora)))
    assert adapted[0].adapter == lora.name
    assert adapted[0].digest != bare[0].digest
    assert adapted[1].surprisals != pytest.approx(bare[1].surprisals, abs=1e-3)


def test_scores_with_an_adapter_are_those_of_peft(served: TransformersEngine, tiny: Path, lora: Path) -> None:
    import peft
    import transformers

    base = transformers.AutoModelForCausalLM.from_pretrained(tiny)
    model = peft.PeftModel.from_pretrained(base, lora).eval()
    checkpoint = load_checkpoint(tiny, threads=1)
    (prompt, _), (ids, _) = checkpoint.ids(PROMPT), checkpoint.encode(TEXT)
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
    expected = -logits.log_softmax(1).gather(1, torch.tensor(ids)[:, None])[:, 0]
    found = asyncio.run(scored(served, str(lora)))[1]
    assert found.surprisals == pytest.approx(expected.tolist(), abs=1e-4)


def test_without_its_adapter_the_model_is_as_it_was(served: TransformersEngine, lora: Path) -> None:
    before = asyncio.run(scored(served, None))
    asyncio.run(scored(served, str(lora)))
    assert asyncio.run(scored(served, None)) == before


def test_an_adapter_of_another_model_is_refused_and_changes_nothing(smollm: Checkpoint, lora: Path) -> None:
    async def main() -> tuple[TokenScores, TokenScores]:
        engine = await TransformersEngine.over(lambda: Desk(load_checkpoint(threads=1), threads=1))
        try:
            before = await engine.score(PROMPT, TEXT)
            with pytest.raises(FieldError, match="source"):
                await engine.adapt(str(lora))
            return before, await engine.score(PROMPT, TEXT)
        finally:
            await engine.close()

    before, after = asyncio.run(main())
    assert after.surprisals == pytest.approx(before.surprisals, abs=1e-6)


def test_a_folder_without_an_adapter_is_refused(served: TransformersEngine, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(FieldError, match="safetensors"):
        asyncio.run(served.adapt(str(tmp_path)))


def test_a_folder_of_pickles_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UnavailableError, match="pickles"):
        load_checkpoint(tmp_path)


def test_weights_that_can_not_be_unpacked_say_where_and_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("IDIOLECT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UnavailableError, match=r"model\.gguf can't be unpacked into .*cache.*IDIOLECT_CACHE"):
        load_checkpoint(tmp_path / "model.gguf")


def test_a_file_that_is_cut_off_is_told_from_a_cache_that_can_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("IDIOLECT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UnavailableError, match=r"model\.gguf can't be read as GGUF"):
        load_checkpoint(tmp_path / "model.gguf")
