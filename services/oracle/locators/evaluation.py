"""How often a locator names the first wrong step, on labelled solutions.

A solution is *erroneous* where its label names a step (``first_error`` >= 0) and *correct* where it is -1;
null labels are left out. Accuracy on erroneous solutions: the first error is named exactly. On correct ones:
nothing is flagged. F1 is their harmonic mean. Precision: of all flagged solutions, those whose first error is
named exactly. Figures without a case are None.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.oracle.base import ServedLocator
from services.oracle.together import together
from shared.domain import Correctness, Diagnosis, Trajectory, Verdict
from shared.ports import Locator
from shared.shapes import to_trajectory

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Located:
    """One labelled solution: id, label, the step named (-1 none), and whether the answer was right."""

    id: str
    label: int
    named: int
    right_answer: bool

    @property
    def exact(self) -> bool:
        """Whether the locator says what the label says."""
        return self.label == self.named


def half_of(problem: str) -> str:
    """``A`` may be tuned on, ``B`` is for reporting: by the first byte of the problem's SHA-256."""
    return "A" if hashlib.sha256(problem.strip().encode()).digest()[0] % 2 == 0 else "B"


def labelled(records: Iterable[Record], half: str | None = None) -> list[Record]:
    """Records with a label, of one half or of both."""
    return [
        record
        for record in records
        if isinstance(record.get("first_error"), int)
        if half is None or half_of(str(record.get("problem"))) == half
    ]


def located(record: Record, line: int, verdict: Verdict, locator: Locator) -> Located:
    """Runs the locator on one record; "nobody could tell" counts as nothing flagged."""
    trajectory = to_trajectory(record, line)
    return _located(record, trajectory, verdict, locator.locate(trajectory, verdict))


async def located_by_service(
    records: Sequence[Record], verdicts: Sequence[Verdict], locator: ServedLocator, at_once: int = 16
) -> list[Located]:
    """The same with a locator that waits for a model, up to `at_once` records at a time; in order."""
    places = asyncio.Semaphore(at_once)

    async def one(record: Record, line: int, verdict: Verdict) -> Located:
        trajectory = to_trajectory(record, line)
        async with places:
            return _located(record, trajectory, verdict, await locator.locate(trajectory, verdict))

    lines = range(1, len(records) + 1)
    return await together(one(*each) for each in zip(records, lines, verdicts, strict=True))


def report(results: Sequence[Located]) -> dict[str, Any]:
    """All figures, JSON-ready; ``wrong_answer`` and ``right_answer`` split by the verdict."""
    wrong = [one for one in results if not one.right_answer]
    right = [one for one in results if one.right_answer]
    return {**_figures(results), "wrong_answer": _figures(wrong), "right_answer": _figures(right)}


def _located(record: Record, trajectory: Trajectory, verdict: Verdict, diagnosis: Diagnosis) -> Located:
    first = -1 if diagnosis.first_error is None else diagnosis.first_error
    right = verdict.value is Correctness.CORRECT
    return Located(trajectory.id, record["first_error"], first, right)


def _figures(results: Sequence[Located]) -> dict[str, Any]:
    erroneous = [one for one in results if one.label >= 0]
    correct = [one for one in results if one.label < 0]
    flagged = [one for one in results if one.named >= 0]
    found, kept = _share(erroneous), _share(correct)
    return {
        "erroneous": {"n": len(erroneous), "accuracy": found},
        "correct": {"n": len(correct), "accuracy": kept},
        "f1": _harmonic(found, kept),
        "precision": _share(flagged),
    }


def _share(results: Sequence[Located]) -> float | None:
    return round(sum(one.exact for one in results) / len(results), 4) if results else None


def _harmonic(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return None
    return round(2 * first * second / (first + second), 4) if first + second else 0.0
