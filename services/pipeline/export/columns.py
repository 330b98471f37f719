"""The columns of results as Parquet: what is plain as itself, what has parts as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from shared.errors import IntegrityError
from shared.jobs.order import Operation
from shared.jsonl import JsonObject

Columns = Mapping[str, "Kind"]


class Kind(StrEnum):
    """What a column holds; all may hold nothing."""

    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    JSON = "json"


_PLAIN = {"string": Kind.TEXT, "integer": Kind.WHOLE, "number": Kind.NUMBER}
_VERIFICATIONS = {"id": Kind.TEXT, "line": Kind.WHOLE, "value": Kind.TEXT} | dict.fromkeys(
    ("reason", "answer"), Kind.TEXT
)
_SCORES = {
    "id": Kind.TEXT,
    "line": Kind.WHOLE,
    "student": Kind.TEXT,
    "scorer": Kind.TEXT,
    "label": Kind.TEXT,
    "nll": Kind.NUMBER,
    "tokens": Kind.WHOLE,
    "ppl": Kind.NUMBER,
    "quarters": Kind.JSON,
    "rsr": Kind.NUMBER,
    "steps": Kind.JSON,
    "cost": Kind.NUMBER,
    "token_scores": Kind.JSON,
    "outcome": Kind.TEXT,
    "drift": Kind.NUMBER,
    "native": Kind.JSON,
}
_ROLLOUTS = {
    "id": Kind.TEXT,
    "line": Kind.WHOLE,
    "problem": Kind.TEXT,
    "gold": Kind.TEXT,
    "samples": Kind.JSON,
}
_EVALUATIONS = {**_ROLLOUTS, "groups": Kind.JSON}


def columns_of(operation: Operation) -> Columns:
    """The columns of the records of an operation, in order."""
    if operation is Operation.REFINE:
        return _of_record()
    others = {
        Operation.VERIFY: _VERIFICATIONS,
        Operation.SCORE: _SCORES,
        Operation.ROLL_OUT: _ROLLOUTS,
        Operation.EVALUATE: _EVALUATIONS,
    }
    return MappingProxyType(others[operation])


def row(record: JsonObject, columns: Columns) -> dict[str, Any]:
    """A record by column. IntegrityError where it holds what no column does: nothing is left out unsaid."""
    unknown = record.keys() - columns.keys()
    if unknown:
        raise IntegrityError(f"records hold {', '.join(sorted(unknown))}, for which there is no column")
    return {name: _told(record[name], columns[name]) for name in record}


def record_of(found: Mapping[str, Any], columns: Columns) -> JsonObject:
    """The record that `row` was given; what it didn't have is null."""
    return {
        name: json.loads(value) if columns[name] is Kind.JSON and value is not None else value
        for name, value in found.items()
    }


def _told(value: Any, kind: Kind) -> Any:
    if kind is Kind.JSON and value is not None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return value


def _of_record() -> Columns:
    """Those of the published schema."""
    schema = json.loads((files("shared") / "schemas" / "record.v1.json").read_text(encoding="utf-8"))
    return {name: _kind(described) for name, described in schema["properties"].items()}


def _kind(described: Mapping[str, Any]) -> Kind:
    if "const" in described or "enum" in described:
        return Kind.TEXT
    named = described["type"]
    plain = [one for one in ([named] if isinstance(named, str) else named) if one != "null"]
    return _PLAIN.get(plain[0], Kind.JSON) if len(plain) == 1 else Kind.JSON
