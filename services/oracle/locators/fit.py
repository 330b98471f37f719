"""Fits ``weights.json`` on labelled solutions; a plain script, run when features change.

    python -m services.oracle.locators.fit FILE.jsonl ... [--write]

Every file holds solutions with problem, gold, reference, steps, first_error and final_correct. Only half A is
used: problems whose SHA-256 begins with an even byte; half B is for reporting. The likelihood of the labelled
first error among the steps of wrong-answer solutions is maximised by Newton's method with an L2 penalty.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.oracle.locators.features import Features, features
from services.oracle.locators.known import known_of
from services.oracle.locators.reading import read
from services.oracle.locators.scoring import WEIGHTS, probabilities
from shared.domain import Correctness, Problem, Verdict

PENALTY = 3.0
ROUNDS = 15
WORDED = (
    "departs_first", "false", "after_unknown", "unknown_again", "repairs_most", "progress", "last",
    "unknown_stated_first", "formulas_foreign", "answer_after_known", "solution_changes",
    "concludes", "confirmed", "length", "length_log",
)  # fmt: skip
FORMAL = (
    "length", "length_log", "after_unknown", "second", "place", "sets_up", "restates", "false",
    "formulas_shared", "numbers_foreign", "unknown_stated_first", "derivations", "solution_changes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """One wrong-answer solution: the features of its steps and the index of the first wrong one."""

    rows: tuple[Features, ...]
    target: int
    formal: bool


def in_half_a(problem: str) -> bool:
    """Whether a problem belongs to the half that may be tuned on."""
    return hashlib.sha256(problem.strip().encode()).digest()[0] % 2 == 0


def example_of(record: dict[str, Any]) -> Example | None:
    """The example of a labelled record of half A with a wrong answer and a reference; else None."""
    first = record.get("first_error")
    usable = first is not None and first >= 0 and record.get("final_correct") is False
    if not usable or not record.get("reference") or not in_half_a(record["problem"]):
        return None
    known = known_of(Problem(record["problem"], record["gold"], record["reference"]))
    verdict = Verdict(Correctness.INCORRECT, None, record.get("final_answer"))
    rows = features(read(record["steps"], known, verdict), record["problem"])
    return Example(rows, int(str(first)), known.formal)


def fit(examples: Sequence[Example], names: Sequence[str]) -> dict[str, float]:
    """Weights of a conditional logit; deterministic."""
    current = [0.0] * len(names)
    for _ in range(ROUNDS):
        slope = [-PENALTY * value for value in current]
        curve = [[PENALTY * (row == column) for column in range(len(names))] for row in range(len(names))]
        for example in examples:
            _add(example, names, current, slope, curve)
        step = _solved(curve, slope)
        current = [value + move for value, move in zip(current, step, strict=True)]
    return {name: round(value, 4) for name, value in zip(names, current, strict=True)}


def _add(
    example: Example,
    names: Sequence[str],
    current: Sequence[float],
    slope: list[float],
    curve: list[list[float]],
) -> None:
    """Adds one example's gradient and curvature."""
    shares = probabilities(example.rows, dict(zip(names, current, strict=True)))
    vectors = [[row.get(name, 0.0) for name in names] for row in example.rows]
    size = range(len(names))
    mean = [sum(share * vector[i] for share, vector in zip(shares, vectors, strict=True)) for i in size]
    for i in size:
        slope[i] += vectors[example.target][i] - mean[i]
    for share, vector in zip(shares, vectors, strict=True):
        centred = [vector[i] - mean[i] for i in size]
        for i in size:
            if centred[i]:
                for j in size:
                    curve[i][j] += share * centred[i] * centred[j]


def _solved(matrix: list[list[float]], right: Sequence[float]) -> list[float]:
    """Gaussian elimination; the matrix is positive definite."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i, pivot in enumerate(rows):
        for other in rows[i + 1 :]:
            factor = other[i] / pivot[i]
            for j in range(i, len(pivot)):
                other[j] -= factor * pivot[j]
    found = [0.0] * len(rows)
    for i in reversed(range(len(rows))):
        rest = sum(rows[i][j] * found[j] for j in range(i + 1, len(rows)))
        found[i] = (rows[i][-1] - rest) / rows[i][i]
    return found


def fitted(files: Iterable[Path]) -> dict[str, Any]:
    """The content of ``weights.json`` for these files."""
    paths = list(files)
    records = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    examples = [example for record in records if (example := example_of(record)) is not None]
    formal = [example for example in examples if example.formal]
    worded = [example for example in examples if not example.formal]
    provenance = {
        "method": "conditional logit over the steps of wrong-answer solutions, L2, Newton",
        "penalty": PENALTY,
        "files": [f"{path.parent.name}/{path.name}" for path in paths],
        "half": "A: first byte of sha256(problem) even",
        "examples": {"worded": len(worded), "formal": len(formal)},
    }
    return {"provenance": provenance, "worded": fit(worded, WORDED), "formal": fit(formal, FORMAL)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the weights, or writes them beside this file with ``--write``."""
    parser = argparse.ArgumentParser(description="Fit the weights of the combined locator.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args(arguments)
    text = json.dumps(fitted(chosen.files), indent=2) + "\n"
    if chosen.write:
        Path(__file__).with_name(WEIGHTS).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
