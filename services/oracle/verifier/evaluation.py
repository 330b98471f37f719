"""How often the verifier is right, on labelled pairs of answers and on labelled traces."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.oracle.verifier.question import Question
from services.oracle.verifier.verifier import SandboxedVerifier
from shared.domain import Correctness, Verdict

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scored:
    """One labelled record with its verdict; `right` only where the verdict was decided as labelled."""

    record: Record
    expected: bool
    verdict: Verdict
    seconds: float

    @property
    def right(self) -> bool:
        """Undecided counts as an error."""
        wanted = Correctness.CORRECT if self.expected else Correctness.INCORRECT
        return self.verdict.value is wanted


def is_pair(record: Record) -> bool:
    """Whether a record is a pair of answers (``gold``, ``pred``, ``expected``) rather than a trace."""
    return "pred" in record and "expected" in record


def score_pairs(records: Iterable[Record], verifier: SandboxedVerifier) -> list[Scored]:
    """One by one, so that the seconds are those of each; disputed labels are left out."""
    return [
        _timed(record, bool(record["expected"]), partial(verifier.compare, question_of(record)))
        for record in records
        if not record.get("disputed")
    ]


def score_traces(records: Iterable[Record], verifier: SandboxedVerifier) -> list[Scored]:
    """One by one; records without a label are left out."""
    return [
        _timed(record, label, partial(verifier.verify, text_of(record), _text(record.get("gold"))))
        for record in records
        if (label := label_of(record)) is not None
    ]


def _timed(record: Record, expected: bool, ask: Callable[[], Verdict]) -> Scored:
    begin = time.perf_counter()
    verdict = ask()
    return Scored(record, expected, verdict, time.perf_counter() - begin)


def question_of(record: Record) -> Question:
    """The question of a pair; its ``opts`` are the arguments of the test it comes from.

    ``bare`` answers stand without formula marks. By the convention of the suites that write them so, the
    order of a bare list of numbers counts; between formula marks it doesn't.
    """
    options = record.get("opts") or {}
    notations = tuple(options.get("match_types") or options.get("match_type") or ("latex", "expr"))
    bare = bool(record.get("bare"))
    return Question(
        gold=str(record["gold"]),
        answer=str(record["pred"]),
        whole=not bare,
        precision=int(options.get("precision", 6)),
        strict=bool(options.get("strict", True)),
        relations_as_sets=bool(options.get("allow_set_relation_comp", False)),
        ordered=bare,
        letters="NativeLetters" in notations,
        notations=tuple(name for name in notations if name in ("latex", "expr")),
    )


def text_of(record: Record) -> str:
    """The final answer of a trace where it is given, else its whole text."""
    for field in ("final_answer", "text", "solution"):
        if _text(record.get(field)):
            return str(record[field])
    return "\n".join(str(step) for step in record.get("steps") or ())


def label_of(record: Record) -> bool | None:
    """Whether the final answer is labelled right; None where it is unlabelled."""
    label = record.get("final_correct", record.get("solution_correct"))
    return None if label is None else bool(label)


def _text(value: object) -> str | None:
    return None if value is None or not str(value).strip() else str(value)


def pair_report(scored: list[Scored]) -> dict[str, Any]:
    """``pooled`` and per-suite accuracy of both classes, undecided verdicts, the slowest in seconds."""
    suites = sorted({_suite(s) for s in scored})
    return {
        "pooled": _classes(scored),
        "suites": {suite: _classes([s for s in scored if _suite(s) == suite]) for suite in suites},
        **_common(scored),
    }


def trace_report(scored: list[Scored]) -> dict[str, Any]:
    """Share of verdicts that agree with the labels (an undecided one doesn't), and what `_common` says."""
    return {"agreement": _accuracy(scored), "n": len(scored), **_common(scored)}


def _common(scored: list[Scored]) -> dict[str, Any]:
    return {
        "undecided": sum(s.verdict.value is Correctness.UNDECIDED for s in scored),
        "slowest_seconds": round(max((s.seconds for s in scored), default=0.0), 4),
    }


def _classes(scored: list[Scored]) -> dict[str, Any]:
    groups = {"equal": [s for s in scored if s.expected], "unequal": [s for s in scored if not s.expected]}
    return {name: {"n": len(group), "accuracy": _accuracy(group)} for name, group in groups.items()}


def _accuracy(scored: list[Scored]) -> float | None:
    """Share of right verdicts; None of nothing."""
    return round(sum(s.right for s in scored) / len(scored), 4) if scored else None


def _suite(scored: Scored) -> str:
    return str(scored.record.get("suite", "")).split("/")[0]


def told(scored: Scored) -> str:
    """One line about one verdict, for a person."""
    name, verdict = scored.record.get("id", "?"), scored.verdict
    wanted = "right" if scored.expected else "wrong"
    return (
        f"{name}: labelled {wanted}, verdict {verdict.value} ({verdict.reason}); "
        f"gold {str(scored.record.get('gold'))[-80:]!r}, answer {verdict.answer!r}"
    )
