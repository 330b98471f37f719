"""Memory of the devices that this process can use: GPUs by NVIDIA's NVML, and the processor's.

On a processor it is that of the container, as its cgroup limits and counts it (file pages that can be
dropped are left out, as the kubelet does), or of the machine where no limit is set.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path("/")
# A limit of cgroup v1 that stands for none is a number near 2**63.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes of one device that are taken, by whomever, and that there are.

    `device` is cpu, or cuda:N as NVML counts: the GPUs that a container was given, else all of the machine.
    """

    device: str
    used: int
    total: int


def device_memory(root: Path = ROOT) -> list[DeviceMemory]:
    """What can be found out now; a device that can't be read is left out. `root` of the file system."""
    return [*_processor(root), *_gpus()]


def _processor(root: Path) -> list[DeviceMemory]:
    """The container's, else the machine's, else nothing (no Linux)."""
    for source in (_cgroup2, _cgroup1, _machine):
        try:
            found = source(root)
        except (OSError, ValueError, KeyError):
            continue
        if found is not None:
            return [found]
    return []


def _cgroup2(root: Path) -> DeviceMemory | None:
    here = root / "sys/fs/cgroup"
    limit = (here / "memory.max").read_text("ascii").strip()
    if limit == "max":
        return None
    dropped = _table(here / "memory.stat")["inactive_file"]
    return _within(int(limit), int((here / "memory.current").read_text("ascii")), dropped)


def _cgroup1(root: Path) -> DeviceMemory | None:
    here = root / "sys/fs/cgroup/memory"
    limit = int((here / "memory.limit_in_bytes").read_text("ascii"))
    if limit >= _NO_LIMIT:
        return None
    dropped = _table(here / "memory.stat")["total_inactive_file"]
    return _within(limit, int((here / "memory.usage_in_bytes").read_text("ascii")), dropped)


def _machine(root: Path) -> DeviceMemory:
    told = _table(root / "proc/meminfo")
    total, free = told["MemTotal:"] * 1024, told["MemAvailable:"] * 1024
    return _within(total, total - free, 0)


def _within(total: int, counted: int, dropped: int) -> DeviceMemory:
    return DeviceMemory("cpu", max(0, counted - dropped), total)


def _table(path: Path) -> dict[str, int]:
    """Name and number of each line, whatever follows."""
    lines = (line.split() for line in path.read_text("ascii").splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) > 1}


def _gpus() -> Iterator[DeviceMemory]:
    """Those that NVML shows to this process.

    NVML makes no context on a GPU, as a question through PyTorch would, at half a GB each.
    """
    nvml = _nvml()
    if nvml is None:
        return
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:
        return
    for index in range(count):
        try:
            told = nvml.nvmlDeviceGetMemoryInfo(nvml.nvmlDeviceGetHandleByIndex(index))
        except nvml.NVMLError:
            continue
        yield DeviceMemory(f"cuda:{index}", int(told.used), int(told.total))


@cache
def _nvml() -> Any:
    """NVML, begun once; None without its Python binding, or without a driver."""
    try:
        nvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    return nvml
