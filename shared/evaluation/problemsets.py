"""Reads problem sets: JSON Lines, one problem a line, and the samples of public sets that are shipped.

| what | fields, the first that is there |
|---|---|
| text | ``problem``, ``question`` |
| final answer | ``gold``, ``answer`` (text or a number) |
| id | ``id``, ``unique_id`` (text or a whole number), else ``line-N`` |
| groups for tables | ``level``, ``subject``, and all of ``groups`` (an object) |

A solution that ends in ``#### ANSWER``, as in GSM8K, is an answer too: the verifier finds the figure in it.
Other fields are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from shared.domain import EvaluationProblem
from shared.errors import FieldError, NotFoundError
from shared.jsonl import BadLine, kind, parse_line, raw_lines

SHIPPED = ("math-500", "svamp-300")
TABLES = ("level", "subject")


def load_set(name: str | Path) -> list[EvaluationProblem]:
    """The problems of a shipped set or of a file.

    Raises FieldError for the first line that can't be used, an id that comes twice, or a set without
    problems; NotFoundError where there is neither such a set nor such a file.
    """
    if str(name) in SHIPPED:
        shipped = resources.files("shared.evaluation").joinpath(f"sets/{name}.jsonl")
        return read_set(BytesIO(shipped.read_bytes()))
    path = Path(name)
    if not path.is_file():
        raise NotFoundError(f"{name} is no file and no set; name a JSONL file or one of {', '.join(SHIPPED)}")
    with path.open("rb") as stream:
        return read_set(stream)


def read_set(stream: BinaryIO) -> list[EvaluationProblem]:
    """All problems of a stream, in order; errors as in `load_set`."""
    found = list(unique(_good(stream)))
    if not found:
        raise FieldError("problems", "are missing: the set is empty", "give at least one line")
    return found


def _good(stream: BinaryIO) -> Iterator[tuple[int, EvaluationProblem]]:
    for raw in raw_lines(stream):
        item = parse_line(raw, to_problem)
        if isinstance(item, BadLine):
            raise FieldError(f"line {item.line}, {item.field}", item.problem, item.cure)
        yield raw.number, item


def unique(problems: Iterable[tuple[int, EvaluationProblem]]) -> Iterator[EvaluationProblem]:
    """The problems of numbered lines; FieldError for an id that stood before."""
    seen: dict[str, int] = {}
    for line, problem in problems:
        if problem.id in seen:
            told = f"{problem.id[:80]!r} stands on line {seen[problem.id]} already"
            raise FieldError(f"line {line}, id", told, "give every problem an id of its own")
        seen[problem.id] = line
        yield problem


def to_problem(item: Mapping[str, Any], line: int) -> EvaluationProblem:
    """The problem that a line's object holds. Raises FieldError for the field that can't be used."""
    return EvaluationProblem(
        id=_id(item, line),
        text=_text(item, "problem", "question"),
        gold=_text(item, "gold", "answer", numbers=True),
        groups={**_groups(item), **{name: _label(name, item[name]) for name in TABLES if _has(item, name)}},
    )


def _has(item: Mapping[str, Any], name: str) -> bool:
    return item.get(name) is not None


def _text(item: Mapping[str, Any], *names: str, numbers: bool = False) -> str:
    name = next((name for name in names if _has(item, name)), None)
    if name is None:
        raise FieldError(names[0], "is missing", f"give it as {' or '.join(names)}")
    value = item[name]
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise FieldError(name, f"is a JSON {kind(value)}", "write a string")
    if not value.strip():
        raise FieldError(name, "is empty", "write what belongs there")
    return value


def _id(item: Mapping[str, Any], line: int) -> str:
    name = next((name for name in ("id", "unique_id") if _has(item, name)), None)
    if name is None:
        return f"line-{line}"
    value = item[name]
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise FieldError(name, f"is a JSON {kind(value)}", "write a string or a whole number")
    return str(value)


def _groups(item: Mapping[str, Any]) -> dict[str, str]:
    groups = item.get("groups") or {}
    if not isinstance(groups, dict):
        raise FieldError("groups", f"is a JSON {kind(groups)}", "write an object: name of a table to value")
    return {name: _label(f"groups.{name}", value) for name, value in groups.items()}


def _label(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise FieldError(name, f"is {value!r:.40}", "write a short string or a whole number")
    return str(value)
