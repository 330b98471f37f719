"""Peak memory of `idiolect refine` with the proxy scorer: a long file against one a tenth as long.

    python -m bench.refine_memory [LINES]      # default 20,000; docs/results quote 100,000

Each run is a process of its own. The lines are the demo's GPT-3 6B solutions in turn, nine right ones to a
wrong one, each with a number of its own in its problem, so that no line is a copy of another. Memory is the
largest resident set of any process of the run, as the operating system counted it.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "demo" / "gpt3_6b.jsonl"
BAR = 1.2


def main() -> None:
    """Measure both, print the JSON line."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        short, long = (measure(Path(folder), count) for count in (lines // 10, lines))
    ratio = long / short
    report = {"name": "refine_peak_memory_ratio", "value": round(ratio, 3), "unit": "ratio", "bar": BAR}
    print(json.dumps({**report, "ok": ratio <= BAR}))


def measure(folder: Path, count: int) -> float:
    """Peak resident MiB of refining `count` lines."""
    source, output = folder / f"{count}.jsonl", folder / f"{count}.out.jsonl"
    with source.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(item) + "\n" for item in itertools.islice(items(), count))
    command = [str(Path(sys.executable).with_name("idiolect")), "refine", str(source), "-o", str(output)]
    begun = time.monotonic()
    process = subprocess.Popen([*command, "--scorer", "proxy"], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"refine ended with {process.returncode}")
    seconds = time.monotonic() - begun
    peak = usage.ru_maxrss / 1024
    print(f"{count:>8,} lines: peak {peak:.0f} MiB, {count / seconds:.0f} lines/s")
    return peak


def items() -> Iterator[dict[str, object]]:
    """An endless stream of solutions, nine right ones to a wrong one."""
    known = [json.loads(line) for line in DATA.read_bytes().splitlines()]
    right = itertools.cycle([item for item in known if item["final_correct"]])
    wrong = itertools.cycle([item for item in known if not item["final_correct"]])
    for number in itertools.count():
        item = next(wrong if number % 10 == 9 else right)
        yield {**item, "id": f"{number}", "problem": f"{item['problem']} (Problem no. {number}.)"}


if __name__ == "__main__":
    main()
