"""The result line: a Refinement as JSON and back, and the checks that every written line passes.

The format is published in ``shared/schemas/record.v1.json``. A record holds only what input, settings,
profile and seed determine, so that equal runs write equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from shared.domain import (
    Correctness,
    Diagnosis,
    Edit,
    Finding,
    GateVerdict,
    Outcome,
    Problem,
    Refinement,
    Span,
    Step,
    StepStyle,
    StepVerdict,
    StyleLedger,
    Trajectory,
    Tried,
    Utility,
    Verdict,
)
from shared.errors import IntegrityError
from shared.jsonl import JsonObject, dump_line
from shared.schema_check import compile_schema
from shared.text.edits import check_untouched, map_steps, preserved_fraction

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

SCHEMA = "idiolect.record/1"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What determines a record beside its input.

    Attributes:
        config: digest of the settings. engines: name of each engine by its role.
        profile: profile id, None without one. seed: of every random choice. code: version of the code.
    """

    config: str
    engines: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    seed: int = 0
    code: str = ""


def to_record(refinement: Refinement, provenance: Provenance) -> JsonObject:
    """The record of `refinement`, ready for `record_line`."""
    trajectory = refinement.trajectory
    problem = trajectory.problem
    return {
        "schema": SCHEMA,
        "id": trajectory.id,
        "line": trajectory.line,
        "problem": {"text": problem.text, "gold": problem.gold, "reference": problem.reference},
        "generator": trajectory.generator,
        "native": {
            "text": trajectory.text,
            "joiner": trajectory.joiner,
            "steps": _step_spans(trajectory.steps),
        },
        "refined": {
            "text": refinement.refined,
            "steps": _step_spans(map_steps(trajectory, refinement.edits)),
        },
        "outcome": refinement.outcome.value,
        "reason": refinement.reason,
        "diagnosis": _diagnosis_to_json(refinement.diagnosis),
        "edits": [_edit_to_json(edit) for edit in refinement.edits],
        "verdict": {
            "before": _verdict_to_json(refinement.before),
            "after": _verdict_to_json(refinement.after),
            "gold_source": refinement.gold_source,
        },
        "style": None if refinement.style is None else _style_to_json(refinement.style),
        "gate": None if refinement.gate is None else _gate_to_json(refinement.gate),
        "utility": None if refinement.utility is None else _utility_to_json(refinement.utility),
        "preserved": refinement.preserved,
        "tried": [{"rewriter": tried.rewriter, "reason": tried.reason} for tried in refinement.tried],
        "provenance": {
            "config": provenance.config,
            "engines": dict(sorted(provenance.engines.items())),
            "profile": provenance.profile,
            "seed": provenance.seed,
            "code": provenance.code,
        },
    }


def from_record(record: Mapping[str, Any]) -> tuple[Refinement, Provenance]:
    """What `to_record` was given; the record must be valid."""
    verdict, style, gate = record["verdict"], record["style"], record["gate"]
    utility, origin = record["utility"], record["provenance"]
    refinement = Refinement(
        trajectory=native_trajectory(record),
        refined=record["refined"]["text"],
        outcome=Outcome(record["outcome"]),
        reason=record["reason"],
        diagnosis=_diagnosis_from_json(record["diagnosis"]),
        edits=edits_of(record),
        before=_verdict_from_json(verdict["before"]),
        after=_verdict_from_json(verdict["after"]),
        gold_source=verdict["gold_source"],
        style=None if style is None else _style_from_json(style),
        utility=None if utility is None else _utility_from_json(utility),
        gate=None if gate is None else GateVerdict(*(gate[name] for name in _GATE)),
        tried=tuple(Tried(tried["rewriter"], tried["reason"]) for tried in record["tried"]),
        preserved=record["preserved"],
    )
    return refinement, Provenance(*(origin[name] for name in _PROVENANCE))


def native_trajectory(record: Mapping[str, Any]) -> Trajectory:
    """The trajectory as it was submitted."""
    problem, native = record["problem"], record["native"]
    return Trajectory(
        id=record["id"],
        line=record["line"],
        problem=Problem(problem["text"], problem["gold"], problem["reference"]),
        text=native["text"],
        steps=_steps_from_json(native),
        joiner=native["joiner"],
        generator=record["generator"],
    )


def refined_steps(record: Mapping[str, Any]) -> tuple[Step, ...]:
    """Steps of the refined text."""
    return _steps_from_json(record["refined"])


def edits_of(record: Mapping[str, Any]) -> tuple[Edit, ...]:
    """The declared edits."""
    return tuple(
        Edit(Span(*edit["span"]), edit["before"], edit["after"], edit["author"], edit["rewriter"])
        for edit in record["edits"]
    )


def record_line(record: Mapping[str, Any]) -> bytes:
    """One line of compact UTF-8 JSON with its line break; a NaN in it is an IntegrityError."""
    try:
        return dump_line(record)
    except ValueError as error:
        raise IntegrityError(f"the record of line {record['line']} can't be written: {error}") from None


def validate(record: Mapping[str, Any]) -> None:
    """IntegrityError unless `record` follows the schema and is untouched outside its edits.

    Needs the package jsonschema, which is imported with the first call.
    """
    problem = next(_validator().iter_errors(record), None)
    if problem is not None:
        raise IntegrityError(f"the record breaks its schema at {problem.json_path}: {problem.message[:200]}")
    native, refined = record["native"], record["refined"]
    edits = edits_of(record)
    check_untouched(native["text"], refined["text"], edits)
    if abs(record["preserved"] - preserved_fraction(native["text"], edits)) > 1e-9:
        raise IntegrityError(f"the record says {record['preserved']} is preserved, its edits say otherwise")
    for side in (native, refined):
        _check_spans(side["steps"], len(side["text"]))


def schema(name: str) -> JsonObject:
    """A published schema: ``record.v1`` or ``refinement_request.v1``."""
    text = (files("shared") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    loaded: JsonObject = json.loads(text)
    return loaded


@cache
def _validator() -> Validator:
    return compile_schema(schema("record.v1"))


def _check_spans(spans: Sequence[Sequence[int]], length: int) -> None:
    position = 0
    for start, end in spans:
        if not position <= start <= end <= length:
            raise IntegrityError(f"the step [{start}, {end}] overlaps another or leaves the text")
        position = end


def _step_spans(steps: Sequence[Step]) -> list[list[int]]:
    return [_span_to_json(step.span) for step in steps]


def _span_to_json(span: Span) -> list[int]:
    return [span.start, span.end]


def _steps_from_json(side: Mapping[str, Any]) -> tuple[Step, ...]:
    spans = [Span(*span) for span in side["steps"]]
    return tuple(Step(index, span, span.of(side["text"])) for index, span in enumerate(spans))


def _edit_to_json(edit: Edit) -> JsonObject:
    return {
        "span": _span_to_json(edit.span),
        "before": edit.before,
        "after": edit.after,
        "author": edit.author,
        "rewriter": edit.rewriter,
    }


def _diagnosis_to_json(diagnosis: Diagnosis) -> JsonObject:
    return {
        "first_error": diagnosis.first_error,
        "confidence": diagnosis.confidence,
        "steps": [_finding_to_json(finding) for finding in diagnosis.findings],
    }


def _finding_to_json(finding: Finding) -> JsonObject:
    return {
        "index": finding.index,
        "span": _span_to_json(finding.span),
        "verdict": finding.verdict.value,
        "evidence": finding.evidence,
        "source": finding.source,
        "confidence": finding.confidence,
        "expected": finding.expected,
    }


def _diagnosis_from_json(value: Mapping[str, Any]) -> Diagnosis:
    findings = tuple(
        Finding(
            step["index"],
            Span(*step["span"]),
            StepVerdict(step["verdict"]),
            step["evidence"],
            step["source"],
            step["confidence"],
            step["expected"],
        )
        for step in value["steps"]
    )
    return Diagnosis(value["first_error"], value["confidence"], findings)


def _verdict_to_json(verdict: Verdict) -> JsonObject:
    return {"value": verdict.value.value, "reason": verdict.reason, "answer": verdict.answer}


def _verdict_from_json(value: Mapping[str, Any]) -> Verdict:
    return Verdict(Correctness(value["value"]), value["reason"], value["answer"])


_GATE = ("passed", "statistic", "threshold", "tokens", "reason")
_LEDGER = ("nll", "tokens", "ppl", "rsr", "drift", "edit_drift", "edit_cost", "reason")
_PROVENANCE = ("config", "engines", "profile", "seed", "code")


def _gate_to_json(gate: GateVerdict) -> JsonObject:
    return {name: getattr(gate, name) for name in _GATE}


def _utility_to_json(utility: Utility) -> JsonObject:
    return {
        "benefit": utility.benefit,
        "cost": utility.cost,
        "lambda": utility.weight,
        "total": utility.total,
    }


def _utility_from_json(value: Mapping[str, Any]) -> Utility:
    return Utility(value["benefit"], value["cost"], value["lambda"], value["total"])


def _style_to_json(style: StyleLedger) -> JsonObject:
    return {
        "student": style.student,
        "scorer": style.scorer,
        "label": style.label,
        "nll": style.nll,
        "tokens": style.tokens,
        "ppl": style.ppl,
        "quarters": list(style.quarters),
        "steps": [{"index": step.index, "nll": step.nll, "tokens": step.tokens} for step in style.steps],
        "rsr": style.rsr,
        "drift": style.drift,
        "edit_drift": style.edit_drift,
        "edit_cost": style.edit_cost,
        "reason": style.reason,
    }


def _style_from_json(value: Mapping[str, Any]) -> StyleLedger:
    steps = tuple(StepStyle(step["index"], step["nll"], step["tokens"]) for step in value["steps"])
    first, second, third, fourth = value["quarters"]
    return StyleLedger(
        student=value["student"],
        scorer=value["scorer"],
        label=value["label"],
        quarters=(first, second, third, fourth),
        steps=steps,
        **{name: value[name] for name in _LEDGER},
    )
