"""Builds records of the published shape by hand, from a student's steps and whole-step or in-step edits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]

PROFILE = "gpt3-6b@0a1b2c3d"
GATE = {"passed": True, "statistic": 2.41, "threshold": 4.07, "tokens": 11, "reason": None}

EGGS = (
    "Janet eats 3 ducks eggs for breakfast and she sells the rest so she has 16 - 3 = 13 ducks eggs left",
    "She has 13 ducks eggs and she sells 2 each day so she makes 13 * 2 = $26",
)


def made_record(
    steps: Sequence[str] = EGGS,
    *,
    outcome: str = "kept",
    edits: Sequence[tuple[str, str]] = (),
    wrong: int | None = None,
    evidence: str = "13 is no quantity of the reference; expected 16 - 3 - 4",
    drift: float = 0.3,
    scorer: str = "proxy:word-5",
    label: str = "proxy",
    **changes: Any,
) -> Record:
    """One record; `edits` are pairs of a native part and what replaces it."""
    native = "\n".join(steps)
    written = sorted((edit_of(native, old, new) for old, new in edits), key=lambda edit: edit["span"][0])
    refined = applied(native, written)
    touched = sum(edit["span"][1] - edit["span"][0] for edit in written)
    benefit = 1.0 if edits else 0.0
    record = {
        "schema": "idiolect.record/1",
        "id": "gsm8k/0",
        "line": 1,
        "problem": {
            "text": "Janet’s ducks lay 16 eggs per day.",
            "gold": "18",
            "reference": "16 - 3 - 4 = 9",
        },
        "generator": "GPT-3 6b_finetuning",
        "native": {"text": native, "joiner": "\n", "steps": spans(native)},
        "refined": {"text": refined, "steps": spans(refined)},
        "outcome": outcome,
        "reason": None,
        "diagnosis": diagnosis(native, wrong, evidence),
        "edits": written,
        "verdict": {
            "before": {"value": "incorrect" if edits else "correct", "reason": None, "answer": "26"},
            "after": {"value": "correct", "reason": None, "answer": "18" if edits else "26"},
            "gold_source": "given",
        },
        "style": style(refined, bool(edits), drift, scorer, label),
        "gate": GATE if edits else None,
        "utility": {"benefit": benefit, "cost": 0.07, "lambda": 1.0, "total": benefit - 0.07},
        "preserved": 1 - touched / max(1, len(native)),
        "tried": [{"rewriter": "arithmetic", "reason": "the answer does not verify"}] if edits else [],
        "provenance": {
            "config": "sha256:5f1d",
            "engines": {"locator": "rules", "scorer": scorer},
            "profile": PROFILE,
            "seed": 0,
            "code": "0.1.0",
        },
    }
    return {**record, **changes}


def edit_of(native: str, old: str, new: str) -> Record:
    """An edit that replaces the first occurrence of `old`."""
    start = native.index(old)
    span = [start, start + len(old)]
    return {"span": span, "before": old, "after": new, "author": "reference", "rewriter": "reference_graft"}


def applied(native: str, edits: Sequence[Record]) -> str:
    """The native text with the edits, last one first."""
    for edit in reversed(edits):
        native = native[: edit["span"][0]] + edit["after"] + native[edit["span"][1] :]
    return native


def spans(text: str) -> list[list[int]]:
    """One span a line."""
    out, start = [], 0
    for line in text.split("\n") if text else []:
        out.append([start, start + len(line)])
        start += len(line) + 1
    return out


def diagnosis(native: str, wrong: int | None, evidence: str) -> Record:
    """A diagnosis that calls one step wrong and those before it right."""
    findings = [
        {
            "index": index,
            "span": span,
            "verdict": "wrong" if index == wrong else "right",
            "evidence": evidence if index == wrong else "",
            "source": "reference",
            "confidence": 0.62,
            "expected": "9" if index == wrong else None,
        }
        for index, span in enumerate(spans(native))
        if wrong is not None and index <= wrong
    ]
    return {"first_error": -1 if wrong is None else wrong, "confidence": 0.62, "steps": findings}


def style(refined: str, edited: bool, drift: float, scorer: str, label: str) -> Record:
    """A ledger with one figure a step."""
    steps = [
        {"index": i, "nll": round((0.4 + 0.37 * i) * len(line.split()), 3), "tokens": len(line.split())}
        for i, line in enumerate(refined.split("\n"))
    ]
    nll, tokens = sum(step["nll"] for step in steps), sum(step["tokens"] for step in steps)
    return {
        "student": PROFILE,
        "scorer": scorer,
        "label": label,
        "nll": nll,
        "tokens": tokens,
        "ppl": 1.9,
        "quarters": [1.5, 1.9, 2.0, 2.2],
        "steps": steps,
        "rsr": 3.2,
        "drift": drift / 5 if edited else 0.0,
        "edit_drift": drift if edited else None,
        "edit_cost": 0.2 if edited else None,
        "reason": None,
    }


def write_records(path: Path, records: Sequence[Record]) -> Path:
    """The records as a result file."""
    lines = (
        json.dumps({**record, "line": line}, ensure_ascii=False) for line, record in enumerate(records, 1)
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
