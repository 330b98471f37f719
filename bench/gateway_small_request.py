"""What the path adds to a small request: its 99th percentile less that of the bare call.

A request is the verification of one line. It goes to the gateway as JSON Lines, and from there through the
queue to a reserved worker that asks the oracle; the bare call asks the oracle over gRPC. Both take turns,
request by request. It is measured while nothing else goes on, and beside a bulk job of rollouts that keeps a
scripted student of 10,000 tokens/s busy.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from bench.installation import NDJSON, Installation, installed
from shared.clients.oracle import OracleClient
from shared.rpc.channel import Target

BAR_IDLE, BAR_BESIDE = 25.0, 50.0
REQUESTS = 500
_WARM = 20
_BODY = b'{"problem": "What is 6 + 1?", "text": "6 + 1 = 7. The answer is 7.", "gold": "7"}\n'
_BULK_LINES = 20_000


@dataclass(frozen=True, slots=True)
class Added:
    """Milliseconds that the path adds: to the median, and at the 99th percentile."""

    p50: float
    p99: float


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where a bar is missed."""
    idle, beside = measured(REQUESTS)
    ok = idle.p99 <= BAR_IDLE and beside.p99 <= BAR_BESIDE
    line = {"name": "small_request_added_p99_ms", "value": round(idle.p99, 2), "unit": "ms idle"}
    more = {"beside_bulk": round(beside.p99, 2), "bar_beside_bulk": BAR_BESIDE}
    medians = {"p50": round(idle.p50, 2), "p50_beside_bulk": round(beside.p50, 2), "requests": REQUESTS}
    print(json.dumps({**line, "bar": BAR_IDLE, "ok": ok, **more, **medians}))
    return 0 if ok else 1


def measured(requests: int) -> tuple[Added, Added]:
    """(idle, beside a bulk job)."""
    with (
        installed({}, IDIOLECT_STUDENT_SCRIPTED__TOKENS_PER_SECOND="10000") as there,
        there.client() as client,
        OracleClient(Target(there.oracle)) as oracle,
    ):

        def bare() -> None:
            oracle.verify("6 + 1 = 7. The answer is 7.", "7")

        idle = _added(lambda: _asked(client), bare, requests)
        job = _bulk(there, client)
        beside = _added(lambda: _asked(client), bare, requests)
        client.post(f"/v1/jobs/{job}/cancel")
    return idle, beside


def _asked(client: httpx2.Client) -> None:
    answer = client.post("/v1/verifications?wait=60", content=_BODY, headers=NDJSON)
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.status_code} {answer.text[:500]}")


def _bulk(there: Installation, client: httpx2.Client) -> str:
    body = b"".join(
        json.dumps({"problem": f"How many are {number} and 1?"}).encode() + b"\n"
        for number in range(_BULK_LINES)
    )
    job = there.submit(client, "/v1/rollouts?wait=0&samples=1", body)
    while not client.get(f"/v1/jobs/{job}").json()["shards"]["decided"]:
        _asked(client)
    return job


def _added(path: Callable[[], None], bare: Callable[[], None], requests: int) -> Added:
    ours, theirs = [], []
    for number in range(_WARM + requests):
        for call, kept in ((path, ours), (bare, theirs)):
            begin = time.perf_counter()
            call()
            if number >= _WARM:
                kept.append(1000 * (time.perf_counter() - begin))
    return Added(_at(ours, 0.5) - _at(theirs, 0.5), _at(ours, 0.99) - _at(theirs, 0.99))


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    sys.exit(main())
