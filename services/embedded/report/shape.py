"""A quick look at a record: has it what the page reads? (The published schema is checked at writing time.)"""

from __future__ import annotations

from math import isfinite
from typing import Any

from shared.domain import Outcome
from shared.errors import IntegrityError
from shared.record import edits_of
from shared.text.edits import check_untouched

Record = dict[str, Any]

OUTCOMES = tuple(outcome.value for outcome in Outcome)
NUMBER = (int, float)
SPAN = [int]
VERDICT = {"value": str}
PATTERN: dict[str, Any] = {
    "id": str,
    "line": int,
    "problem": {"text": str},
    "native": {"text": str, "steps": [SPAN]},
    "refined": {"text": str, "steps": [SPAN]},
    "outcome": OUTCOMES,
    "diagnosis": {
        "confidence": NUMBER,
        "steps": [
            {"index": int, "span": SPAN, "verdict": str, "evidence": str, "source": str, "confidence": NUMBER}
        ],
    },
    "edits": [{"span": SPAN, "before": str, "after": str, "author": str, "rewriter": str}],
    "verdict": {"before": VERDICT, "after": VERDICT, "gold_source": str},
    "preserved": NUMBER,
    "tried": [{"rewriter": str, "reason": str}],
    "provenance": {},
}
# What may be null, checked where it isn't.
OPTIONAL: dict[str, Any] = {
    "style": {
        "student": str,
        "scorer": str,
        "label": str,
        "steps": [{"index": int, "nll": NUMBER, "tokens": int}],
    },
    "gate": {"passed": bool, "statistic": NUMBER, "threshold": NUMBER, "tokens": int},
    "utility": {"benefit": NUMBER, "lambda": NUMBER},
}


def readable(value: Any) -> bool:
    """Whether a JSON value has every field that the page reads, in the right shape."""
    optional = (value.get(name) for name in OPTIONAL) if isinstance(value, dict) else ()
    given = {
        name: OPTIONAL[name] for name, found in zip(OPTIONAL, optional, strict=False) if found is not None
    }
    return fits(value, PATTERN | given) and str(value.get("schema", "")).startswith("idiolect.record/")


def fits(value: Any, pattern: Any) -> bool:
    """Whether a value has the types of a pattern; fields that the pattern doesn't name may be there too."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(k in value and fits(value[k], p) for k, p in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(fits(item, pattern[0]) for item in value)
    if pattern is OUTCOMES:
        return value in OUTCOMES
    if isinstance(value, float) and not isfinite(value):
        return False
    return isinstance(value, pattern)


def untouched(record: Record) -> bool:
    """Whether the refined text is the native one outside the declared edits."""
    try:
        check_untouched(record["native"]["text"], record["refined"]["text"], edits_of(record))
    except (IntegrityError, ValueError, TypeError):
        return False
    return True
