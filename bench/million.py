"""Many lines through everything: upload, shards, work, listing, results; and the memory that it takes.

``python -m bench.million LINES`` puts a tenth of the lines and then all of them through as verifications of
short answers, and compares the peak memory of the gateway and of the fattest worker process. 100,000 lines
where no number is given.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise

import psutil

from bench.installation import Installation, installed

BAR_GROWTH, BAR_MEGABYTES = 1.10, 400.0
_PIECE = 1000


@dataclass(frozen=True, slots=True)
class Passed:
    """One job: its size, seconds by stage, and peak resident memory in megabytes."""

    lines: int
    upload_s: float
    work_s: float
    results_s: float
    listing_s: float
    gateway_mb: float
    worker_mb: float


class Peak:
    """The most resident memory of processes and all below them, each by itself, while the context lasts."""

    def __init__(self, *pids: int) -> None:
        self._above = [psutil.Process(pid) for pid in pids]
        self.megabytes = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            for above in self._above:
                for process in (above, *above.children(recursive=True)):
                    try:
                        self.megabytes = max(self.megabytes, process.memory_info().rss / 1e6)
                    except psutil.NoSuchProcess:
                        continue


def main(arguments: list[str]) -> int:
    """Measure, and print as the last line one JSON object; 1 where memory grows or is too much."""
    lines = int(arguments[0]) if arguments else 100_000
    with installed({}) as there:
        passes = [_through(there, size) for size in (lines // 10, lines)]
    for one in passes:
        print(json.dumps(asdict(one)), file=sys.stderr)
    small, whole = passes
    growth = max(whole.gateway_mb / small.gateway_mb, whole.worker_mb / small.worker_mb)
    most = max(whole.gateway_mb, whole.worker_mb)
    ok = growth <= BAR_GROWTH and most <= BAR_MEGABYTES
    line = {"name": "million_lines_memory", "value": round(growth, 3), "unit": "times that of a tenth"}
    more = {"peak_mb": round(most), "lines": lines, "lines_per_second": round(lines / whole.work_s)}
    print(json.dumps({**line, "bar": BAR_GROWTH, "ok": ok, **more}))
    return 0 if ok else 1


def _through(there: Installation, lines: int) -> Passed:
    gateway, workers = there.processes["gateway"].pid, there.processes["pipeline"].pid
    with Peak(gateway) as door, Peak(workers) as hands, there.client() as client:
        times = [time.perf_counter()]
        job = there.submit(client, "/v1/verifications?wait=0", _pieces(lines))
        times.append(time.perf_counter())
        there.ended(client, job, 0.5)
        times.append(time.perf_counter())
        _check_results(there, job, lines)
        times.append(time.perf_counter())
        if client.get("/v1/jobs").json()["data"][0]["id"] != job:
            raise RuntimeError("the newest job isn't listed first")
        times.append(time.perf_counter())
    seconds = [round(after - before, 3) for before, after in pairwise(times)]
    upload, work, results, listing = seconds
    return Passed(lines, upload, work, results, listing, round(door.megabytes, 1), round(hands.megabytes, 1))


def _pieces(lines: int) -> Iterator[bytes]:
    for first in range(0, lines, _PIECE):
        rows = (_row(number) for number in range(first, min(lines, first + _PIECE)))
        yield b"".join(rows)


def _row(number: int) -> bytes:
    item = {
        "problem": f"What is {number} + 1?",
        "text": f"The answer is {number + 1}.",
        "gold": f"{number + 1}",
    }
    return json.dumps(item).encode() + b"\n"


def _check_results(there: Installation, job: str, lines: int) -> None:
    """Every line once and in order. RuntimeError otherwise."""
    expected = 0
    with there.client() as client, client.stream("GET", f"/v1/jobs/{job}/results") as answer:
        for line in answer.iter_lines():
            expected += 1
            if json.loads(line)["line"] != expected:
                raise RuntimeError(f"line {expected} is missing or out of order")
    if expected != lines:
        raise RuntimeError(f"{expected} records came of {lines} lines")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
