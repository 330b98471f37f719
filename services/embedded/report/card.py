"""One record as the page shows it: the little that the browser needs, laid out in rows."""

from __future__ import annotations

from typing import Any

from services.embedded.report.rows import rows
from services.embedded.report.shape import Record
from services.embedded.report.tally import student_of
from services.embedded.report.tokens import edited_ranges

LONGEST = 20_000
MOST_EDITS = 200

Card = dict[str, Any]


def card(record: Record, file: int) -> Card:
    """What the page needs of one record; texts too long to lay out are cut, and say so."""
    native, problem = record["native"]["text"], record["problem"]
    big = max(len(native), len(record["refined"]["text"])) > LONGEST or len(record["edits"]) > MOST_EDITS
    shown = {
        "file": file,
        "line": record["line"],
        "id": str(record["id"]),
        "outcome": record["outcome"],
        "reason": record.get("reason"),
        "generator": record.get("generator"),
        "student": student_of(record),
        "problem": cut(problem["text"]),
        "gold": problem.get("gold"),
        "reference": cut(problem["reference"]) if problem.get("reference") else None,
        "goldSource": record["verdict"]["gold_source"],
        "before": record["verdict"]["before"],
        "after": record["verdict"]["after"],
        "first": record["diagnosis"]["first_error"],
        "confidence": record["diagnosis"]["confidence"],
        "findings": findings(record),
        "edits": len(record["edits"]),
        "preserved": record.get("preserved"),
        "style": style(record),
        "gate": record.get("gate"),
        "utility": record.get("utility"),
        "tried": [[tried["rewriter"], tried["reason"]] for tried in record["tried"][:20]],
        "rows": cut_rows(record) if big else rows(record),
        "cut": big,
    }
    return {key: value for key, value in shown.items() if value is not None}


def cut(text: str) -> str:
    """The text, or its beginning."""
    return text if len(text) <= LONGEST else text[:LONGEST] + " […]"


def cut_rows(record: Record) -> list[dict[str, Any]]:
    """The beginnings of both texts, for what is too long to lay out step by step."""
    native, refined = cut(record["native"]["text"]), cut(record["refined"]["text"])
    last = max(0, len(record["native"]["steps"]) - 1)
    if not record["edits"]:
        return [{"steps": [0, last], "same": [[native, ""]]}]
    return [{"steps": [0, last], "native": [[native, ""]], "refined": [[refined, ""]], "by": []}]


def findings(record: Record) -> list[dict[str, Any]]:
    """What the locators said, without what says nothing."""
    kept = (f for f in record["diagnosis"]["steps"] if f["verdict"] != "unknown" or f["evidence"])
    fields = ("index", "verdict", "evidence", "source", "confidence", "expected")
    return [{name: finding.get(name) for name in fields} for finding in kept]


def style(record: Record) -> dict[str, Any] | None:
    """The ledger, with steps as ``[index, nats per token, tokens, edited]``."""
    ledger = record.get("style")
    if not ledger:
        return None
    edited = edited_steps(record)
    fields = (
        "scorer",
        "label",
        "nll",
        "tokens",
        "ppl",
        "quarters",
        "rsr",
        "drift",
        "edit_drift",
        "edit_cost",
        "reason",
    )
    steps = [
        [step["index"], round(step["nll"] / step["tokens"], 4), step["tokens"], step["index"] in edited]
        for step in ledger["steps"]
        if step["tokens"]
    ]
    return {**{name: ledger.get(name) for name in fields}, "steps": steps}


def edited_steps(record: Record) -> set[int]:
    """Indices of the refined steps that hold text of an edit."""
    written = edited_ranges(record, "refined")
    steps = enumerate(record["refined"]["steps"])
    return {i for i, (start, end) in steps if any(a < end and start < b for a, b in written)}
