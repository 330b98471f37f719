"""One real engine a file: SmolLM2-135M-Instruct in float32 on a processor, in a loop of its own."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from services.inference.vllm.model import VllmModel
from services.inference.vllm.settings import VllmSettings

Answer = TypeVar("Answer")
SETTINGS = VllmSettings(
    dtype="float32",
    kv_cache_bytes=1 << 30,
    max_model_len=1024,
    max_num_seqs=16,
    enable_lora=True,
    enforce_eager=True,
    enable_sleep_mode=True,
)


class Running:
    """The loop that an engine runs in; called with a coroutine, it gives what becomes of it."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def __call__(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return self._runner.run(work)


@pytest.fixture(scope="module")
def run() -> Iterator[Running]:
    """The loop of the file's engine."""
    with asyncio.Runner() as runner:
        yield Running(runner)


@pytest.fixture(scope="module")
def smollm(run: Running) -> Iterator[VllmModel]:
    """SmolLM2-135M-Instruct, in vLLM."""
    model = run(VllmModel.start(SETTINGS))
    yield model
    run(model.close())


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small Llama of random weights and SmolLM2's tokenizer; its engine starts soon."""
    import torch
    import transformers

    from services.inference.checkpoint import find_folder

    folder = tmp_path_factory.mktemp("models") / "tiny"
    _, source = find_folder(None)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(source)
    tokenizer.save_pretrained(folder)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder
