"""Verifications a second on one warm worker, against math-verify called inline.

Ordinary answers are the final answers of the demo's solutions with their gold. Both sides get the same pairs
of strings in turns, round after round; the median round counts. The second figure leaves out the pairs that
the verifier decides without a worker (plain numbers): what is left are formulas and words.
"""

from __future__ import annotations

import json
import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from services.oracle.verifier import SandboxedVerifier
from services.oracle.verifier.evaluation import text_of
from services.oracle.verifier.extraction import final_answer
from services.oracle.verifier.plain import same_numbers

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "data" / "demo").glob("*.jsonl"))
PAIRS = ROOT / "tests" / "data" / "verifier" / "pairs.jsonl"
ROUNDS = 3
EVERY = 3
BAR = 300.0

Pair = tuple[str, str]


def main() -> int:
    """Measure, print a table, and as the last line one JSON object; 1 where the bar is missed."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    ordinary, formulas = ordinary_pairs(), formula_pairs()
    with SandboxedVerifier() as verifier:
        mixed = _compared(verifier, ordinary)
        slow = _compared(verifier, formulas)
    print(f"{'':34}{'verifier':>12}{'math-verify':>13}{'ratio':>8}")
    for name, pairs, (ours, theirs) in (("ordinary", ordinary, mixed), ("formulas only", formulas, slow)):
        print(
            f"{f'{name}, {len(pairs)} pairs, per second':34}{ours:>12.0f}{theirs:>13.0f}{ours / theirs:>8.2f}"
        )
    value, ratio = round(mixed[0], 1), round(mixed[0] / mixed[1], 3)
    figures = {
        "name": "verifier_throughput",
        "value": value,
        "unit": "verifications/s per warm worker",
        "bar": BAR,
    }
    extra = {"ratio_to_math_verify": ratio, "formulas_per_second": round(slow[0], 1)}
    print(json.dumps({**figures, "ok": value >= BAR, **extra}))
    return 0 if value >= BAR else 1


def ordinary_pairs() -> list[Pair]:
    """(gold, final answer) of every solution of the demo that states one."""
    records = [json.loads(line) for file in FILES for line in file.read_text("utf-8").splitlines()]
    found = [(record["gold"], final_answer(text_of(record))) for record in records if record.get("gold")]
    return [(gold, answer.text) for gold, answer in found if answer]


def formula_pairs() -> list[Pair]:
    """Short labelled pairs that aren't both plain numbers, right and wrong ones."""
    records = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
    pairs = [(r["gold"].strip("$"), r["pred"].strip("$")) for r in records]
    return [
        p for p in pairs if max(map(len, p)) <= 40 and "$" not in "".join(p) and same_numbers(*p) is None
    ][::EVERY]


def _compared(verifier: SandboxedVerifier, pairs: list[Pair]) -> tuple[float, float]:
    """Median rates of the two, in turns, after one round to warm up."""
    sides = (lambda: _ask_verifier(verifier, pairs), lambda: _ask_inline(pairs))
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for side, kept in zip(sides, rates, strict=True):
            rate = len(pairs) / _seconds(side)
            if number:
                kept.append(rate)
    return statistics.median(rates[0]), statistics.median(rates[1])


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _ask_verifier(verifier: SandboxedVerifier, pairs: list[Pair]) -> None:
    verifier.verify_many((answer, gold) for gold, answer in pairs)


def _ask_inline(pairs: list[Pair]) -> None:
    from math_verify import parse, verify

    for gold, answer in pairs:
        read = [parse(f"${text}$", parsing_timeout=None) for text in (gold, answer)]
        verify(*read, timeout_seconds=None)


if __name__ == "__main__":
    raise SystemExit(main())
