"""The same instructions on every processor, so that the same seed gives the same weights.

MKL (products of matrices) and PyTorch (all else) take the newest instructions that a processor has, and those
round in other places. Both can be told not to, before they are loaded. oneDNN is switched off. One thing is
left to avoid: MKL's square roots, those of `torch.sqrt`, came out otherwise on an emulated processor even so.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# MKL's mode of equal results on all processors of x86-64 ("conditional numerical reproducibility"),
# and for PyTorch the instructions that all such processors have since 2015.
FIXED = {"MKL_CBWR": "COMPATIBLE", "ATEN_CPU_CAPABILITY": "avx2"}


def are_fixed(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the libraries of a process with this environment take the fixed instructions."""
    return all(environment.get(name) == value for name, value in FIXED.items())


def begin_again_with_fixed(replace: Callable[..., object] = os.execve) -> None:
    """Replace this process by itself with the libraries told; returns at once where they are."""
    if not are_fixed():
        sys.stdout.flush()
        replace(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **FIXED})


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread of PyTorch, without oneDNN; warns where the fixed instructions are asked for and lacking."""
    import torch

    found = torch.backends.cpu.get_cpu_capability()
    if are_fixed() and found != "AVX2":
        warnings.warn(
            f"{found} in place of AVX2: the weights will be others than the shipped ones", stacklevel=2
        )
    torch.set_num_threads(1)
    # `flags` would set a precision too, and warn that there is no GPU by Intel.
    onednn: Any = torch.backends.mkldnn
    before, *_ = onednn.set_flags(_enabled=False, _fp32_precision=None)
    try:
        yield
    finally:
        onednn.set_flags(_enabled=before, _fp32_precision=None)
