"""The student service over the bare transformers engine: SmolLM2-135M-Instruct, all requests in flight.

Both sides run the model on two threads, one side at a time. ``--requests`` and ``--tokens`` make it shorter;
with short answers the service loses more: its requests come one after the other, so the first steps of a pass
run with few rows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from bench.grpc_over_bare import Load, measured
from bench.pairs import PAIRS, Comparison
from services.inference.transformers.engine import TransformersEngine, TransformersSettings

BAR = 0.97
THREADS = 2


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    asked = parser.parse_args()
    prompts = tuple(f"How many are {number} and {number}?" for number in range(asked.requests))
    result = asyncio.run(_measured(Load(prompts, asked.requests, asked.tokens), asked.pairs))
    print(f"tokens/s, service {result.ours}, bare {result.rival}", file=sys.stderr)
    line = result.last_line("generate_grpc_over_bare_transformers", "times the bare engine's tokens/s", BAR)
    print(line)
    return 0 if json.loads(line)["ok"] else 1


async def _measured(load: Load, pairs: int) -> Comparison:
    engine = await TransformersEngine.start(TransformersSettings(threads=THREADS))
    environment = {
        "IDIOLECT_STUDENT_ENGINE": "transformers",
        "IDIOLECT_STUDENT_TRANSFORMERS__THREADS": str(THREADS),
    }
    try:
        return await measured(engine, environment, load, pairs)
    finally:
        await engine.close()


if __name__ == "__main__":
    sys.exit(main())
