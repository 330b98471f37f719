"""The student service over the bare vLLM engine on a CPU: SmolLM2-135M-Instruct, all requests in flight.

Runs in the venv of `make test-vllm`; without it, it says that it was not run. Both engines are up all the
time, and only one of them has work.
"""

from __future__ import annotations

import asyncio
import json
import sys

from bench.grpc_over_bare import Load, measured
from bench.pairs import PAIRS, Comparison
from bench.vllm_environment import with_vllm
from services.inference.vllm.model import VllmModel
from services.inference.vllm.settings import VllmSettings

NAME, BAR = "generate_grpc_over_bare_vllm_cpu", 0.95
LOAD = Load(tuple(f"How many are {number} and {number}?" for number in range(64)), 64, 48)
SETTINGS = VllmSettings(max_model_len=2048, max_num_seqs=64)


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    result = asyncio.run(_measured())
    print(f"tokens/s, service {result.ours}, bare {result.rival}", file=sys.stderr)
    line = result.last_line(NAME, "times the bare engine's tokens/s", BAR)
    print(line)
    return 0 if json.loads(line)["ok"] else 1


async def _measured() -> Comparison:
    engine = await VllmModel.start(SETTINGS)
    environment = {
        "IDIOLECT_STUDENT_ENGINE": "vllm",
        "IDIOLECT_STUDENT_VLLM__MAX_MODEL_LEN": str(SETTINGS.max_model_len),
        "IDIOLECT_STUDENT_VLLM__MAX_NUM_SEQS": str(SETTINGS.max_num_seqs),
    }
    try:
        return await measured(engine, environment, LOAD, PAIRS)
    finally:
        await engine.close()


if __name__ == "__main__":
    sys.exit(with_vllm(NAME, main))
