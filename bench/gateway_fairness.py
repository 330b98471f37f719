"""How much longer a small job takes beside another tenant's huge one than alone, in an engine that is full.

The student is scripted at 10,000 tokens/s for all together, and both jobs draw rollouts. A perfect sharing of
the engine by two would be 2; on top comes the wait until a worker's shard of the huge job is drained.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from statistics import median

import httpx2

from bench.installation import Installation, installed
from bench.pairs import PAIRS, median_interval

SMALL, HUGE = 64, 20_000
_KEYS = {"huge": "idk_huge", "small": "idk_small"}
_QUERY = "/v1/rollouts?wait=0&samples=1&max_tokens=1024"


def main() -> int:
    """Measure, and print as the last line one JSON object. There is no bar: it is told, not judged."""
    alone, beside = measured(PAIRS)
    ratios = tuple(one / other for one, other in zip(beside, alone, strict=True))
    low, high = median_interval(ratios)
    line = {
        "name": "small_job_beside_huge",
        "value": round(median(ratios), 2),
        "unit": "times its time alone",
    }
    seconds = {"alone_s": round(median(alone), 2), "beside_s": round(median(beside), 2)}
    print(
        json.dumps({**line, "bar": None, "ok": True, "low": round(low, 2), "high": round(high, 2), **seconds})
    )
    return 0


def measured(passes: int) -> tuple[list[float], list[float]]:
    """Seconds of the small job (alone, beside the huge one), pass by pass."""
    digests = [f"{name}:{hashlib.sha256(key.encode()).hexdigest()}" for name, key in _KEYS.items()]
    gateway = {"IDIOLECT_GATEWAY_KEYS": ",".join(digests)}
    rate = {"IDIOLECT_STUDENT_SCRIPTED__TOKENS_PER_SECOND": "10000"}
    with (
        installed({}, gateway, **rate) as there,
        there.client(_KEYS["huge"]) as huge,
        there.client(_KEYS["small"]) as small,
    ):
        _seconds(there, small)
        alone = [_seconds(there, small) for _ in range(passes)]
        job = there.submit(huge, _QUERY, _problems(HUGE))
        while not huge.get(f"/v1/jobs/{job}").json()["shards"]["decided"]:
            _seconds(there, small)
        beside = [_seconds(there, small) for _ in range(passes)]
        huge.post(f"/v1/jobs/{job}/cancel")
    return alone, beside


def _seconds(there: Installation, client: httpx2.Client) -> float:
    begin = time.perf_counter()
    there.ended(client, there.submit(client, _QUERY, _problems(SMALL)))
    return time.perf_counter() - begin


def _problems(count: int) -> bytes:
    rows = (json.dumps({"problem": f"How many are {number} and 1?"}) for number in range(count))
    return "\n".join(rows).encode()


if __name__ == "__main__":
    sys.exit(main())
