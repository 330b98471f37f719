"""Which makers of arms there are, and what each can be told; the makers themselves load later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.study.table_reader import TableReader

Options = Mapping[str, Any]
MISSING = ("drop", "native")


def _missing(table: TableReader) -> Options:
    return {"missing": table.text("missing", "drop", MISSING)}


def _share(table: TableReader) -> Options:
    return {**_missing(table), "share": table.number("share", most=1.0)}


def _extra(table: TableReader) -> Options:
    return {"extra": table.whole("extra", 10**9, least=1)}


def _unfiltered(table: TableReader) -> Options:
    return {"take": table.text("take", "first", ("first", "source"))}


def _pipeline(table: TableReader) -> Options:
    return {
        **_missing(table),
        "lambda": table.number("lambda", 1.0),
        "alpha": table.number("alpha", 0.05, least=1e-6, most=0.999),
        "gate": table.text("gate", "enforce", ("enforce", "report")),
        "known_by": table.text("known_by", "right", ("right", "all")),
        **_most_cost(table),
        **_continuing(table),
    }


def _most_cost(table: TableReader) -> Options:
    """Only where it is asked for, as `_continuing`."""
    return {"most_cost": table.number("most_cost")} if table.has("most_cost") else {}


def _continuing(table: TableReader) -> Options:
    """Only where it is asked for, so that arms without it keep their identity."""
    if not table.truth("generate"):
        return {}
    return {"generate": True, "samples": table.whole("samples", 8, least=1)}


def _given(table: TableReader) -> Options:
    return {**_missing(table), "field": table.text("field")}


def _guided(table: TableReader) -> Options:
    return {
        **_missing(table),
        "guidance": table.text("guidance", "reference", ("reference", "remark")),
        "samples": table.whole("samples", 8, least=1),
    }


MAKERS: dict[str, Callable[[TableReader], Options]] = {
    "native": lambda table: {},
    "reference": _missing,
    "oracle_refined": _missing,
    "oracle_synthesized": _missing,
    "style_aligned": _missing,
    "style_aligned_pipeline": _pipeline,
    "respelled": _share,
    "unfiltered": _unfiltered,
    "native_plus_repaired": _extra,
    "guided": _guided,
    "given": _given,
}
EXTRA = frozenset({"native_plus_repaired"})
_BY_ORACLE = frozenset(
    {"oracle_refined", "oracle_synthesized", "style_aligned", "respelled", "native_plus_repaired"}
)


def needs_oracle(maker: str) -> bool:
    """Whether an oracle writes the texts."""
    return maker in _BY_ORACLE
