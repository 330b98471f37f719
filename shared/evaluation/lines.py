"""One graded problem as a line of JSON, and back: every sample with its verdict, for audits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from shared.domain import Correctness, EvaluationProblem, Graded, GradedSample, Verdict
from shared.errors import FieldError
from shared.evaluation.problemsets import to_problem
from shared.jsonl import JsonObject, kind, raw_lines

WRITTEN = "give a file that `idiolect evaluate` or an evaluation job wrote"


def graded_line(graded: Graded) -> JsonObject:
    """JSON-ready: the problem, and of each sample its text, tokens, how it ended, and the verdict."""
    problem = graded.problem
    return {
        "id": problem.id,
        "problem": problem.text,
        "gold": problem.gold,
        "groups": dict(problem.groups),
        "samples": [_sample_line(sample) for sample in graded.samples],
    }


def _sample_line(sample: GradedSample) -> JsonObject:
    verdict = sample.verdict
    return {
        "text": sample.text,
        "tokens": sample.tokens,
        "finished": sample.finished,
        "value": str(verdict.value),
        "reason": verdict.reason,
        "answer": verdict.answer,
    }


def read_graded(stream: BinaryIO) -> Iterator[Graded]:
    """Graded problems as they stand in a file. Raises FieldError, with the line, for one that isn't.

    Samples may hold any character, since a model may write any.
    """
    for raw in raw_lines(stream):
        try:
            yield to_graded(_object(raw.data), raw.number)
        except FieldError as error:
            raise FieldError(f"line {raw.number}, {error.field}", error.problem, error.cure) from None


def _object(data: bytes | None) -> JsonObject:
    try:
        item = json.loads(data or b"")
    except ValueError as error:
        raise FieldError("line", f"isn't valid JSON ({error})", WRITTEN) from None
    if not isinstance(item, dict):
        raise FieldError("line", f"is a JSON {kind(item)}", WRITTEN)
    return item


def to_graded(item: Mapping[str, Any], line: int) -> Graded:
    """The graded problem that a line's object holds. Raises FieldError for what can't be used."""
    problem: EvaluationProblem = to_problem(item, line)
    samples = item.get("samples")
    if not isinstance(samples, list):
        raise FieldError("samples", f"is a JSON {kind(samples)}", WRITTEN)
    return Graded(problem, tuple(_sample(f"samples[{at}]", one) for at, one in enumerate(samples)))


def _sample(path: str, item: object) -> GradedSample:
    if not isinstance(item, dict):
        raise FieldError(path, f"is a JSON {kind(item)}", "write an object")
    return GradedSample(
        text=_as(path, item, "text", str),
        tokens=_as(path, item, "tokens", int),
        finished=_as(path, item, "finished", bool),
        verdict=Verdict(_value(path, item), item.get("reason"), item.get("answer")),
    )


def _as(path: str, item: Mapping[str, Any], name: str, wanted: type) -> Any:
    value = item.get(name)
    if type(value) is not wanted:
        raise FieldError(f"{path}.{name}", f"is a JSON {kind(value)}", f"write a {wanted.__name__}")
    return value


def _value(path: str, item: Mapping[str, Any]) -> Correctness:
    try:
        return Correctness(str(item.get("value")))
    except ValueError:
        cure = f"use one of {', '.join(Correctness)}"
        raise FieldError(f"{path}.value", f"is {item.get('value')!r:.40}", cure) from None
