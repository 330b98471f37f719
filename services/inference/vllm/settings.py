"""What can be set about the vLLM engine, in this project's words, and what vLLM calls it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GIB = 1 << 30
# A processor has no memory of its own that could be taken whole; blocks of 32 suit its kernels.
CPU_CACHE_BYTES = 1 * GIB
CPU_BLOCK = 32
# An adapter of the output layer is left out of vLLM's prompt log-probs, and one that could have it makes the
# engine die there when several texts are in a batch.
ADAPTED_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_QUIET = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    # Standard output belongs to whoever started us.
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
}


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """Settings of one engine. Code of the model's folder is never run, and weights are safetensors only.

    Attributes:
        model: folder, ``.gguf`` file or hub name; None takes SmolLM2-135M-Instruct.
        dtype: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        kv_cache_bytes: fixed size of the key-value cache in bytes; None takes what `gpu_memory_utilization`
            leaves on a GPU, and 1 GiB on a processor.
        gpu_memory_utilization: share of a GPU's memory that the engine may take, 0..1.
        tensor_parallel: GPUs that share each layer. data_parallel: replicas of the model.
        max_model_len: most tokens of prompt and answer together; None takes the model's own limit.
        max_num_seqs: most sequences in a batch.
        max_num_batched_tokens: most tokens of one forward pass; None takes vLLM's. Scoring holds the logits
            of that many positions at a time (4 bytes for each entry of the vocabulary, about three times).
        block_size: tokens of a block of the prefix cache, which shares whole blocks only.
        enable_lora: whether adapters can be loaded. max_lora_rank: largest rank of one.
        batch_invariant: results that do not depend on who else is in the batch (some GPUs only; slower).
        enable_sleep_mode: whether `sleep` gives the GPU's memory back.
        enforce_eager: start sooner, without compiled graphs; slower on a GPU.
    """

    model: str | None = None
    dtype: str = "auto"
    kv_cache_bytes: int | None = None
    gpu_memory_utilization: float = 0.9
    tensor_parallel: int = 1
    data_parallel: int = 1
    max_model_len: int | None = None
    max_num_seqs: int = 256
    max_num_batched_tokens: int | None = None
    block_size: int | None = None
    enable_lora: bool = False
    max_lora_rank: int = 16
    batch_invariant: bool = False
    enable_sleep_mode: bool = False
    enforce_eager: bool = False


def engine_arguments(settings: VllmSettings, folder: Path, *, cpu: bool, sleeps: bool) -> dict[str, Any]:
    """Arguments of vLLM's engine for the weights in `folder`; `sleeps`: whether it can sleep here."""
    given = {
        "max_model_len": settings.max_model_len,
        "max_num_batched_tokens": settings.max_num_batched_tokens,
        "kv_cache_memory_bytes": settings.kv_cache_bytes or (CPU_CACHE_BYTES if cpu else None),
        "block_size": settings.block_size or (CPU_BLOCK if cpu else None),
    }
    return {
        **{name: value for name, value in given.items() if value is not None},
        "model": str(folder),
        "load_format": "safetensors",
        "trust_remote_code": False,
        "dtype": settings.dtype,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "tensor_parallel_size": settings.tensor_parallel,
        "data_parallel_size": settings.data_parallel,
        "max_num_seqs": settings.max_num_seqs,
        "enable_prefix_caching": True,
        "enable_sleep_mode": settings.enable_sleep_mode and sleeps,
        "enforce_eager": settings.enforce_eager,
        **(_adapter_arguments(settings) if settings.enable_lora else {}),
        **(_whole_prompts(settings, folder) if cpu else {}),
    }


def _whole_prompts(settings: VllmSettings, folder: Path) -> dict[str, Any]:
    """On a processor a prompt is never read in parts: there a seeded sample with a part left ends the engine.

    (vLLM winds the random generator back by an offset that only those of GPUs have.) So a pass must have room
    for the longest prompt.
    """
    longest = settings.max_model_len or _context(folder)
    tokens = max(settings.max_num_batched_tokens or 0, longest)
    return {"enable_chunked_prefill": False, **({"max_num_batched_tokens": tokens} if tokens else {})}


def _context(folder: Path) -> int:
    """Most tokens that the model's configuration names; 0 where it names none."""
    file = folder / "config.json"
    return int(json.loads(file.read_bytes()).get("max_position_embeddings", 0)) if file.is_file() else 0


def _adapter_arguments(settings: VllmSettings) -> dict[str, Any]:
    """Room for two adapters, so that the calls of the last one end beside those of the next."""
    return {
        "enable_lora": True,
        "max_loras": 2,
        "max_lora_rank": settings.max_lora_rank,
        "lora_target_modules": list(ADAPTED_LAYERS),
    }


def prepare_environment(settings: VllmSettings) -> None:
    """Set what vLLM reads from the environment, for this process and the engine's; must precede its import.

    A variable that is set already stays as it is, except for the batch-invariant mode.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["VLLM_BATCH_INVARIANT"] = str(int(settings.batch_invariant))
