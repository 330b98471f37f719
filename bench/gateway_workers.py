"""Lines a second with 1, 2 and 4 worker processes, on a scripted engine that is not the bottleneck.

Rollouts of one sample of a few tokens; the engine gives a million tokens a second. Student, gateway, Redis
and workers share the machine's cores, so more workers than free cores gain little.
"""

from __future__ import annotations

import json
import os
import sys
import time
from statistics import median

from bench.installation import Installation, installed

LINES = 4096
PASSES = 3
PROCESSES = (1, 2, 4)
_QUERY = "/v1/rollouts?wait=0&samples=1&max_tokens=64"


def main() -> int:
    """Measure, and print as the last line one JSON object. There is no bar: it is told, not judged."""
    rates = {count: measured(count, LINES, PASSES) for count in PROCESSES}
    for count, passes in rates.items():
        print(f"{count} workers: {[round(rate) for rate in passes]} lines/s", file=sys.stderr)
    found = {count: median(passes) for count, passes in rates.items()}
    line = {"name": "lines_per_second_4_over_1_worker", "value": round(found[4] / found[1], 2)}
    more = {f"workers_{count}": round(rate) for count, rate in found.items()}
    print(json.dumps({**line, "unit": "times", "bar": None, "ok": True, **more, "cores": os.cpu_count()}))
    return 0


def measured(processes: int, lines: int, passes: int) -> list[float]:
    """Lines a second of each pass, after one that warms up."""
    workers = {
        "IDIOLECT_PIPELINE_CONCURRENCY": str(processes),
        "IDIOLECT_PIPELINE_INTERACTIVE": "0",
    }
    engine = {
        "IDIOLECT_STUDENT_SCRIPTED__TOKENS_PER_SECOND": "1000000",
        "IDIOLECT_STUDENT_SCRIPTED__MEDIAN_TOKENS": "20",
        "IDIOLECT_STUDENT_SCRIPTED__PLACES": "512",
    }
    with installed(workers, **engine) as there:
        return [_rate(there, lines) for _ in range(passes + 1)][1:]


def _rate(there: Installation, lines: int) -> float:
    rows = (json.dumps({"problem": f"How many are {number} and 1?"}) for number in range(lines))
    body = "\n".join(rows).encode()
    with there.client() as client:
        begin = time.perf_counter()
        there.ended(client, there.submit(client, _QUERY, body))
        return lines / (time.perf_counter() - begin)


if __name__ == "__main__":
    sys.exit(main())
