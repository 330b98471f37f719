"""SmolLM2 in process, and behind servers of other projects."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_endpoint import Faulty, served
from servers import free_port, made_servable, running

from services.inference.checkpoint import Checkpoint, load_checkpoint


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    """A server that misbehaves on command."""
    with served(Faulty()) as server:
        yield server


@pytest.fixture(scope="session")
def smollm() -> Checkpoint:
    """SmolLM2-135M-Instruct."""
    return load_checkpoint(threads=1)


@pytest.fixture(scope="session")
def folder(smollm: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, as servers want it."""
    return made_servable(Path(smollm.tokenizer.name_or_path), tmp_path_factory.mktemp("smollm"))


@pytest.fixture(scope="session")
def transformers_server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`transformers serve`; the model's name there is its folder."""
    home, port = tmp_path_factory.mktemp("hub"), free_port()
    (home / "hub").mkdir()
    program = str(Path(sys.executable).with_name("transformers"))
    command = [program, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--device", "cpu"]
    with running(command, port, home / "log", 120, HF_HOME=str(home)) as address:
        yield address


@pytest.fixture(scope="session")
def vllm_server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM's own server with two names for one model; skipped where there is no vLLM."""
    python = os.environ.get("IDIOLECT_VLLM_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import vllm"], capture_output=True).returncode:
        pytest.skip("vLLM is not installed here, and IDIOLECT_VLLM_PYTHON names no interpreter that has it")
    port = free_port()
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    command += ["--served-model-name", "smol", "twin", "--dtype", "float32", "--max-model-len", "2048"]
    command += ["--max-num-seqs", "16", "--host", "127.0.0.1", "--port", str(port)]
    log = tmp_path_factory.mktemp("vllm") / "log"
    with running(command, port, log, 600, VLLM_CPU_KVCACHE_SPACE="1") as address:
        yield address
