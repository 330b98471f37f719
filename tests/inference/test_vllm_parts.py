"""The parts around the vLLM engine that need no vLLM: gate, guard, tally, arguments, adapters."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from services.inference.adapters import adapted_digest
from services.inference.vllm.adapters import check_served
from services.inference.vllm.figures import StepTally
from services.inference.vllm.gate import Gate
from services.inference.vllm.settings import GIB, VllmSettings, engine_arguments, prepare_environment
from shared.errors import BusyError, FieldError, UnsupportedError

ADAPTING = VllmSettings(enable_lora=True)
GUARDED = """
import subprocess, sys
from services.inference.vllm.guard import Guard

guard = Guard()
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
{then}
print(child.pid, flush=True)
input()
"""


def arguments(settings: VllmSettings, *, cpu: bool = False) -> dict:
    return engine_arguments(settings, Path("model"), cpu=cpu, sleeps=not cpu)


def write_tensors(file: Path, shapes: dict[str, list[int]]) -> None:
    """A safetensors file with the header alone, which is all that is read."""
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()
    }
    text = json.dumps(header).encode()
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(len(text).to_bytes(8, "little") + text)


def write_adapter(folder: Path, layer: str, height: int, width: int, rank: int = 8) -> Path:
    begin = f"base_model.model.model.layers.0.{layer}"
    shapes = {f"{begin}.lora_A.weight": [rank, width], f"{begin}.lora_B.weight": [height, rank]}
    write_tensors(folder / "adapter_model.safetensors", shapes)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank}))
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder with one layer of 64 by 32."""
    shapes = {"model.layers.0.self_attn.q_proj.weight": [64, 32], "lm_head.weight": [100, 32]}
    write_tensors(tmp_path / "model" / "model.safetensors", shapes)
    return tmp_path / "model"


def step(running: int, waiting: int = 0, queries: int = 0, hits: int = 0) -> SimpleNamespace:
    """What the engine tells after a step."""
    cache = SimpleNamespace(queries=queries, hits=hits)
    counts = {"num_running_reqs": running, "num_waiting_reqs": waiting, "num_skipped_waiting_reqs": 0}
    return SimpleNamespace(**counts, prefix_cache_stats=cache)


def test_a_shut_gate_says_why_and_when_to_come_again() -> None:
    gate = Gate()
    gate.shut("asleep")
    with pytest.raises(BusyError, match=r"asleep; try again in 5 s"), gate.passed():
        pass


def test_a_gate_is_empty_once_the_last_call_has_ended() -> None:
    async def ask() -> tuple[bool, bool]:
        gate, leave = Gate(), asyncio.Event()

        async def call() -> None:
            with gate.passed():
                await leave.wait()

        calls = [asyncio.ensure_future(call()) for _ in range(2)]
        await asyncio.sleep(0)
        empty = asyncio.ensure_future(gate.emptied())
        await asyncio.sleep(0)
        before = empty.done()
        leave.set()
        await asyncio.gather(*calls)
        await empty
        return before, empty.done()

    assert asyncio.run(ask()) == (False, True)


@pytest.mark.parametrize("then", ["guard.settle()", ""], ids=["settled", "starting"])
def test_what_a_killed_process_had_started_is_ended(then: str) -> None:
    command = [sys.executable, "-c", GUARDED.format(then=then)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        child = psutil.Process(int(service.stdout.readline()))
        guard = next(
            one for one in psutil.Process(service.pid).children() if "guard.py" in str(one.cmdline())
        )
        # The guard has looked by then: it sleeps between two looks.
        while guard.status() != psutil.STATUS_SLEEPING or guard.num_ctx_switches().voluntary < 20:
            pass
        service.kill()
    _, alive = psutil.wait_procs([child, guard], timeout=30)
    assert alive == []


def test_a_dismissed_guard_ends_what_is_left_of_the_engine() -> None:
    command = [sys.executable, "-c", GUARDED.format(then="guard.settle(); guard.dismiss(); child.wait()")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        service.stdout.readline()
        children = psutil.Process(service.pid).children()
        service.communicate("\n")
    assert children == []


def test_steps_of_all_replicas_are_summed_up() -> None:
    tally = StepTally()
    for replica, stats in enumerate([step(3, waiting=1, queries=10, hits=4), step(2, queries=5)]):
        tally.for_replica(None, replica).record(stats, SimpleNamespace(finished_requests=[]))
    found = (tally.running, tally.waiting, tally.peak_running, tally.cache_queries, tally.cache_hits)
    assert found == (5, 1, 5, 15, 4)


def test_a_step_counts_the_sequences_that_it_finished() -> None:
    tally = StepTally()
    tally.for_replica(None, 0).record(step(2), SimpleNamespace(finished_requests=[1, 2]))
    assert (tally.steps, tally.step_sequences) == (1, 4)


def test_no_code_of_a_model_is_run_and_no_pickle_read() -> None:
    given = arguments(VllmSettings())
    assert (given["trust_remote_code"], given["load_format"]) == (False, "safetensors")


def test_prefixes_are_cached() -> None:
    assert arguments(VllmSettings())["enable_prefix_caching"] is True


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("kv_cache_bytes", "kv_cache_memory_bytes", 3 * GIB),
        ("tensor_parallel", "tensor_parallel_size", 4),
        ("data_parallel", "data_parallel_size", 2),
        ("max_model_len", "max_model_len", 4096),
        ("max_num_seqs", "max_num_seqs", 64),
        ("dtype", "dtype", "bfloat16"),
        ("enable_sleep_mode", "enable_sleep_mode", True),
    ],
)
def test_a_setting_reaches_vllm_under_its_name(setting: str, name: str, value: object) -> None:
    assert arguments(VllmSettings(**{setting: value}))[name] == value


def test_a_gpu_gives_its_cache_what_is_left_and_a_processor_a_fixed_size() -> None:
    sizes = (arguments(VllmSettings(), cpu=cpu).get("kv_cache_memory_bytes") for cpu in (False, True))
    assert list(sizes) == [None, GIB]


def test_the_output_layer_takes_no_adapter() -> None:
    assert "lm_head" not in arguments(ADAPTING)["lora_target_modules"]


def test_batch_invariance_is_set_before_the_engine_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "0")
    prepare_environment(VllmSettings(batch_invariant=True))
    assert os.environ["VLLM_BATCH_INVARIANT"] == "1"


def test_an_adapter_of_the_models_own_size_is_served(model: Path, tmp_path: Path) -> None:
    check_served(write_adapter(tmp_path / "a", "self_attn.q_proj", 64, 32), model, ADAPTING)


@pytest.mark.parametrize(
    ("layer", "height", "width", "rank", "said"),
    [
        ("self_attn.q_proj", 64, 16, 8, "fit"),
        ("self_attn.q_proj", 32, 32, 8, "fit"),
        ("mlp.up_proj", 64, 32, 8, "fit"),
        ("self_attn.q_proj", 64, 32, 64, "rank 64"),
        ("lm_head", 100, 32, 8, "lm_head"),
        ("embed_tokens", 100, 32, 8, "embed_tokens"),
    ],
)
def test_an_adapter_that_would_be_served_wrongly_is_refused(
    model: Path, tmp_path: Path, layer: str, height: int, width: int, rank: int, said: str
) -> None:
    adapter = write_adapter(tmp_path / "a", layer, height, width, rank)
    with pytest.raises(FieldError, match=said):
        check_served(adapter, model, ADAPTING)


def test_an_engine_without_adapters_says_how_to_have_them(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="enable_lora"):
        check_served(write_adapter(tmp_path / "a", "self_attn.q_proj", 64, 32), model, VllmSettings())


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapters_files_enter_the_digest(tmp_path: Path, file: str) -> None:
    adapter = write_adapter(tmp_path / "a", "self_attn.q_proj", 64, 32)
    before = adapted_digest("ab" * 32, adapter)
    (adapter / file).write_bytes(b"{}")
    assert adapted_digest("ab" * 32, adapter) != before
