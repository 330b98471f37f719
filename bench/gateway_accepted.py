"""Lines a second that a gateway on one core takes in as a job, streamed; and how fast it streams results.

The lines are real solutions (about half a kilobyte each). They are stored durably, as always: the job is
accepted when the answer comes. Results are of a job whose shards are decided as workers decide them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil

from bench.installation import NDJSON, Installation, installed
from bench.pairs import PAIRS, median_interval
from shared.jobs.desk import JobDesk
from shared.jobs.layout import JobKey, ShardId
from shared.jobs.order import Fate, ShardOutcome
from shared.store import open_store

BAR = 20_000.0
LINES = 200_000
DEMO = Path(__file__).parents[1] / "data" / "demo" / "gpt3_6b.jsonl"
_RECORD_BYTES = 2048


def main() -> int:
    """Measure, and print as the last line one JSON object; 1 where the bar is missed."""
    rates, megabytes = measured(LINES, PAIRS)
    low, high = median_interval(tuple(rates))
    value = median(rates)
    line = {"name": "accepted_per_second", "value": round(value), "unit": "lines/s", "bar": BAR}
    spread = {"low": round(low), "high": round(high), "passes": len(rates)}
    results = {"results_mb_per_second": round(median(megabytes), 1)}
    print(json.dumps({**line, "ok": value >= BAR, **spread, **results}))
    return 0 if value >= BAR else 1


def measured(lines: int, passes: int) -> tuple[list[float], list[float]]:
    """(lines/s taken in, megabytes/s of results) of each pass."""
    with installed() as there:
        psutil.Process(there.processes["gateway"].pid).cpu_affinity([0])
        rates, megabytes = [], []
        for _ in range(passes):
            begin = time.perf_counter()
            job = _posted(there, lines)
            rates.append(lines / (time.perf_counter() - begin))
            _decide_all(there, job)
            megabytes.append(_megabytes_a_second(there, job))
        return rates, megabytes


def _posted(there: Installation, lines: int) -> str:
    with there.client() as client:
        return there.submit(client, "/v1/refinements?wait=0", _pieces(lines))


def _pieces(lines: int) -> Iterator[bytes]:
    """So many lines, in pieces of about 64 KiB as clients send them."""
    given = DEMO.read_bytes().splitlines(keepends=True)
    piece = 128
    rows = (given * (1 + piece // len(given)))[:piece]
    whole = b"".join(rows)
    for _ in range(lines // piece):
        yield whole
    if lines % piece:
        yield b"".join(rows[: lines % piece])


def _decide_all(there: Installation, job: str) -> None:
    desk = JobDesk(open_store(there.told["IDIOLECT_STORE"]))
    order = desk.order(JobKey("local", job))
    filler = json.dumps({"text": "x" * _RECORD_BYTES}).encode()
    for root in order.roots():
        shard = ShardId(root)
        first, count = root * order.lines_a_shard + 1, order.lines_of(root)
        rows = b"".join(b"%d\t%s\n" % (line, filler) for line in range(first, first + count))
        desk.store.put_if_absent(order.key.shard(shard, "results.1"), rows)
        desk.store.put_if_absent(order.key.shard(shard, "errors.1"), b"")
        desk.decide(order, shard, ShardOutcome(Fate.COMMIT, "1", {"kept": count}))


def _megabytes_a_second(there: Installation, job: str) -> float:
    begin, size = time.perf_counter(), 0
    with there.client() as client, client.stream("GET", f"/v1/jobs/{job}/results", headers=NDJSON) as answer:
        for piece in answer.iter_raw():
            size += len(piece)
    return size / 1e6 / (time.perf_counter() - begin)


if __name__ == "__main__":
    sys.exit(main())
