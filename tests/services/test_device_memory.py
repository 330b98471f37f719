"""The memory that a service tells: the container's, the machine's, and that of GPUs."""

from pathlib import Path

import pynvml
import pytest
from prometheus_client import CollectorRegistry

from shared import devices
from shared.devices import DeviceMemory, device_memory
from shared.metrics import DeviceCollector

MEMINFO = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\n"


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


CGROUPS = {
    "cgroup v2": {
        "sys/fs/cgroup/memory.max": "4000\n",
        "sys/fs/cgroup/memory.current": "3000\n",
        "sys/fs/cgroup/memory.stat": "anon 2000\ninactive_file 900\n",
    },
    "cgroup v1": {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "3000\n",
        "sys/fs/cgroup/memory/memory.stat": "rss 2000\ntotal_inactive_file 900\n",
    },
}


@pytest.mark.parametrize("files", CGROUPS.values(), ids=CGROUPS)
def test_a_container_tells_its_limit_and_what_it_can_not_drop(tmp_path: Path, files: dict[str, str]) -> None:
    assert device_memory(written(tmp_path, files)) == [DeviceMemory("cpu", 2100, 4000)]


@pytest.mark.parametrize(
    "limit",
    [
        {"sys/fs/cgroup/memory.max": "max\n"},
        {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"},
        {},
    ],
    ids=["cgroup v2", "cgroup v1", "no cgroup"],
)
def test_without_a_limit_it_is_the_machine_s(tmp_path: Path, limit: dict[str, str]) -> None:
    root = written(tmp_path, {**limit, "proc/meminfo": MEMINFO})
    assert device_memory(root) == [DeviceMemory("cpu", 600 * 1024, 1000 * 1024)]


@pytest.mark.parametrize("text", ["", "MemTotal: many kB\n"])
def test_what_can_not_be_read_is_left_out(tmp_path: Path, text: str) -> None:
    assert device_memory(written(tmp_path, {"proc/meminfo": text})) == []


def test_this_machine_has_memory_in_use() -> None:
    here = next(memory for memory in device_memory() if memory.device == "cpu")
    assert 10_000_000 < here.used < here.total


def test_gpus_are_told_too_and_one_that_fell_off_the_bus_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """NVIDIA's binding, with its calls into the driver replaced: there is none where tests run."""

    class Memory:
        used, total = 18, 24

    def handle(index: int) -> int:
        if index == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return index

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 3)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", handle)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda _: Memory)
    devices._nvml.cache_clear()
    try:
        assert device_memory(tmp_path) == [DeviceMemory("cuda:0", 18, 24), DeviceMemory("cuda:2", 18, 24)]
    finally:
        devices._nvml.cache_clear()


def test_a_scrape_reads_anew() -> None:
    used = iter([1, 2])
    registry = CollectorRegistry()
    registry.register(DeviceCollector("student", lambda: [DeviceMemory("cuda:0", next(used), 3)]))
    labels = {"service": "student", "device": "cuda:0"}
    read = [registry.get_sample_value("idiolect_device_memory_used_bytes", labels) for _ in range(2)]
    assert read == [1, 2]
