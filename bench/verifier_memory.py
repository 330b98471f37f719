"""Memory after many verifications: the worker's and the caller's, at the first tenth and at the end.

``python -m bench.verifier_memory [CALLS]`` (default 10,000). The value is the growth of the peak over the
last nine tenths, as a share of the peak over the first. Workers are replaced after a fixed number of
batches, so one figure is the largest worker seen, not that of a single process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import cycle, islice

import psutil

from bench.verifier_throughput import formula_pairs, ordinary_pairs
from services.oracle.verifier import SandboxedVerifier

CALLS = 10_000
CHUNK = 100
BAR = 0.1


def main(calls: int) -> int:
    """Ask `calls` questions, watch resident memory between chunks, print one JSON line."""
    pairs = cycle((answer, gold) for gold, answer in [*ordinary_pairs(), *_changing(formula_pairs())])
    peaks: list[int] = []
    with SandboxedVerifier() as verifier:
        for _ in range(calls // CHUNK):
            verifier.verify_many(islice(pairs, CHUNK))
            peaks.append(_resident())
    first, rest = max(peaks[: len(peaks) // 10]), max(peaks[len(peaks) // 10 :])
    growth = round(rest / first - 1, 4)
    print(f"{first / 2**20:.0f} MiB over the first tenth, at most {rest / 2**20:.0f} MiB after it")
    line = {"name": "verifier_memory", "value": growth, "unit": f"growth over {calls} calls", "bar": BAR}
    print(json.dumps({**line, "ok": growth <= BAR}))
    return 0 if growth <= BAR else 1


def _changing(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The formulas with a changing summand, so that no cache can answer for the parser."""
    for number in range(4):
        for gold, answer in pairs:
            yield f"{gold} + {number}", f"{answer} + {number}"


def _resident() -> int:
    """Resident bytes of this process and everything below it."""
    below = psutil.Process().children(recursive=True)
    return sum(process.memory_info().rss for process in [psutil.Process(), *below] if process.is_running())


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
