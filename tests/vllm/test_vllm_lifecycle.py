"""Starting, changing, losing and ending real vLLM engines; a small random model keeps it short."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from vllm_asking import PROMPT, samples, write_adapter

from services.inference.vllm.model import VllmModel
from services.inference.vllm.settings import VllmSettings
from shared.domain.model import Sampling
from shared.errors import BusyError, EngineLostError, UnavailableError, UnsupportedError

pytest.importorskip("vllm.version", reason="vLLM is not installed: make test-vllm")

SMALL = VllmSettings(
    dtype="float32", kv_cache_bytes=1 << 28, max_num_seqs=8, max_num_batched_tokens=512, enforce_eager=True
)
LONG = Sampling(n=2, max_tokens=400, temperature=0)
STARTER = """
import asyncio, sys
import psutil
from services.inference.vllm.model import VllmModel
from services.inference.vllm.settings import VllmSettings

async def main():
    model = await VllmModel.start(VllmSettings(
        model=sys.argv[1], dtype="float32", kv_cache_bytes=1 << 28, max_num_batched_tokens=512,
        enforce_eager=True,
    ))
    print("started", *(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def model(run, tiny: Path) -> Iterator[VllmModel]:
    """A small model in an engine that a test may ruin."""
    model = run(VllmModel.start(replace(SMALL, model=str(tiny))))
    yield model
    run(model.close())


@pytest.fixture
def other(tiny: Path, tmp_path: Path) -> Path:
    """A folder with other weights of the same shape."""
    import torch
    import transformers

    torch.manual_seed(1)
    folder = tmp_path / "other"
    transformers.LlamaForCausalLM(transformers.LlamaConfig.from_pretrained(tiny)).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast.from_pretrained(tiny).save_pretrained(folder)
    return folder


def descendants() -> list[psutil.Process]:
    """The processes of engines: children of this one, without the trackers that end with us."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def core() -> psutil.Process:
    """The engine's own process."""
    return next(child for child in descendants() if "EngineCore" in child.name())


async def kill_during_a_call(model: VllmModel) -> None:
    """Kill the engine while it works on a request; raises what becomes of that."""
    call = asyncio.ensure_future(samples(model, LONG))
    while not model.figures.running:
        await asyncio.sleep(0)
    core().send_signal(signal.SIGKILL)
    await call


def test_another_model_is_served_after_the_running_calls(run, model: VllmModel, other: Path) -> None:
    async def change() -> tuple[int, bool]:
        before = model.info.digest
        call = asyncio.ensure_future(samples(model, LONG))
        while not model.figures.running:
            await asyncio.sleep(0)
        info = await model.load(str(other))
        return len(await call), info.digest == before

    assert run(change()) == (2, False)


def test_a_call_during_a_load_is_told_to_come_again(run, model: VllmModel, other: Path) -> None:
    async def ask() -> None:
        loading = asyncio.ensure_future(model.load(str(other)))
        call = asyncio.ensure_future(samples(model, Sampling(max_tokens=300, temperature=0)))
        try:
            while not call.done():
                await call
                call = asyncio.ensure_future(samples(model, Sampling(max_tokens=1)))
        finally:
            await loading

    with pytest.raises(BusyError):
        run(ask())


def test_a_model_that_cannot_be_served_leaves_the_old_one(run, model: VllmModel, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in Path(str(model._settings.model)).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"nothing")
    before = model.info
    with pytest.raises(UnavailableError):
        run(model.load(str(broken)))
    assert (model.info, len(run(samples(model, Sampling(max_tokens=2))))) == (before, 1)


def test_an_unknown_model_is_named_before_anything_is_stopped(run, model: VllmModel, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="safetensors"):
        run(model.load(str(tmp_path)))
    assert len(run(samples(model, Sampling(max_tokens=2)))) == 1


def test_a_killed_engine_is_told_to_the_running_call(run, model: VllmModel) -> None:
    with pytest.raises(EngineLostError):
        run(kill_during_a_call(model))


def test_a_killed_engine_is_told_to_every_later_call(run, model: VllmModel) -> None:
    with pytest.raises(UnavailableError):
        run(kill_during_a_call(model))
    with pytest.raises(EngineLostError):
        run(model.score(PROMPT, "x"))


def test_a_killed_engine_comes_back_with_a_load(run, model: VllmModel, tiny: Path) -> None:
    with pytest.raises(UnavailableError):
        run(kill_during_a_call(model))
    run(model.load(str(tiny)))
    assert len(run(samples(model, Sampling(max_tokens=2)))) == 1


def test_a_running_call_is_told_when_the_engine_is_closed(run, model: VllmModel) -> None:
    async def ask() -> None:
        call = asyncio.ensure_future(samples(model, LONG))
        while not model.figures.running:
            await asyncio.sleep(0)
        await model.close()
        await call

    with pytest.raises(UnavailableError, match="closed"):
        run(ask())


def test_a_closed_engine_leaves_no_process(run, model: VllmModel) -> None:
    run(model.close())
    assert descendants() == []


def test_an_engine_without_adapters_refuses_one(run, model: VllmModel, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="enable_lora"):
        run(model.adapt(str(write_adapter(tmp_path / "one", width=128, layers=2))))


def test_a_killed_service_leaves_no_process(tiny: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tiny)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        line = next(line for line in service.stdout if line.startswith("started"))
        left = [psutil.Process(int(pid)) for pid in line.split()[1:]]
        service.kill()
    _, alive = psutil.wait_procs(left, timeout=60)
    assert alive == []


def test_a_service_that_is_killed_while_it_starts_leaves_no_process(tiny: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tiny)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as service:
        left: list[psutil.Process] = []
        while not any("EngineCore" in child.name() for child in left):
            left = psutil.Process(service.pid).children(recursive=True)
        service.kill()
    _, alive = psutil.wait_procs(left, timeout=60)
    assert alive == []
