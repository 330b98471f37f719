"""The student service over the bare scripted engine: 30,000 tokens/s, 512 in flight, log-normal lengths.

Lengths have a median of 200 tokens and sigma .5. The engine shares its rate among all that run, so whatever
the service adds shows as a gap in which the engine has less to do.
"""

from __future__ import annotations

import asyncio
import json
import sys

from bench.grpc_over_bare import Load, measured
from bench.pairs import Comparison
from services.inference.scripted import Script, ScriptedModel

BAR = 0.97
LOAD = Load(tuple(f"How many are {number} and {number}?" for number in range(1536)), 512, 4096)
SCRIPT = Script(tokens_per_second=30_000, places=512, median_tokens=200, sigma=0.5)


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    environment = {
        "IDIOLECT_STUDENT_ENGINE": "scripted",
        "IDIOLECT_STUDENT_SCRIPTED__TOKENS_PER_SECOND": str(SCRIPT.tokens_per_second),
    }
    result = asyncio.run(_measured(environment))
    print(f"tokens/s, service {result.ours}, bare {result.rival}", file=sys.stderr)
    line = result.last_line("generate_grpc_over_bare_scripted", "times the bare engine's tokens/s", BAR)
    print(line)
    return 0 if json.loads(line)["ok"] else 1


async def _measured(environment: dict[str, str]) -> Comparison:
    return await measured(ScriptedModel(SCRIPT), environment, LOAD, pairs=5)


if __name__ == "__main__":
    sys.exit(main())
