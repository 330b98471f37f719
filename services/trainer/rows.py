"""Reads training rows from JSON Lines; a row that can't be used is named by its line and field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never

from services.inference.base import ROLES
from services.inference.prompting import StudentTemplate
from shared.domain.model import Message
from shared.domain.training import TrainingRow
from shared.errors import FieldError, NotFoundError
from shared.jsonl import BadLine, JsonObject, kind, parse_line, raw_lines

_SHAPES = 'write {"prompt": text or messages, "completion": text} or {"messages": [...]}'


def read_rows(path: Path, template: StudentTemplate) -> Iterator[tuple[int, TrainingRow]]:
    """(line, row) of every line that isn't blank; prompts that are plain texts get the template.

    Raises FieldError for the first row that can't be used and for a file without rows, NotFoundError where
    there is no file.
    """
    if not path.is_file():
        raise NotFoundError(f"rows: there is no file {path}; name one of JSON Lines")
    empty = True
    with path.open("rb") as stream:
        for raw in raw_lines(stream):
            row = parse_line(raw, lambda item, _: row_of(item, template))
            if isinstance(row, BadLine):
                raise FieldError(f"line {row.line}: {row.field}", row.problem, row.cure)
            empty = False
            yield raw.number, row
    if empty:
        raise FieldError("rows", "hold no example", "give at least one line")


def row_of(item: JsonObject, template: StudentTemplate) -> TrainingRow:
    """The row that an object of any accepted shape means. FieldError names what is wrong."""
    if "messages" in item:
        return _conversation(item["messages"])
    for field in ("prompt", "completion"):
        if field not in item:
            raise FieldError(field, "is missing", _SHAPES)
    return TrainingRow(_prompt(item["prompt"], template), _completion(item["completion"]))


def _conversation(value: Any) -> TrainingRow:
    turns = _turns("messages", value)
    if len(turns) < 2 or turns[-1].role != "assistant":
        cure = "end it with the turn that is to be learnt"
        raise FieldError("messages", "do not end with an answer of the assistant", cure)
    return TrainingRow(turns[:-1], _learnt(f"messages[{len(turns) - 1}].content", turns[-1].content))


def _prompt(value: Any, template: StudentTemplate) -> tuple[Message, ...]:
    if isinstance(value, str):
        if not value.strip():
            raise FieldError("prompt", "is empty", "give the text of the problem")
        return template.prompt(value).messages
    return _turns("prompt", value)


def _completion(value: Any) -> str:
    """A text, or the one turn of the assistant that TRL writes for conversations."""
    if isinstance(value, str):
        return _learnt("completion", value)
    turns = _turns("completion", value)
    if len(turns) != 1 or turns[0].role != "assistant":
        raise FieldError("completion", "is no single turn of the assistant", _SHAPES)
    return _learnt("completion[0].content", turns[0].content)


def _learnt(field: str, text: str) -> str:
    if not text:
        raise FieldError(field, "is empty", "give the answer that is to be learnt")
    return text


def _turns(field: str, value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        _refuse(field, value, "give a list of turns, each with role and content")
    return tuple(_turn(f"{field}[{place}]", turn) for place, turn in enumerate(value))


def _turn(field: str, value: Any) -> Message:
    if not isinstance(value, dict):
        _refuse(field, value, "give an object with role and content")
    role, content = value.get("role"), value.get("content")
    if role not in ROLES:
        raise FieldError(f"{field}.role", f"is {role!r:.40}", f"use one of {', '.join(sorted(ROLES))}")
    if not isinstance(content, str):
        _refuse(f"{field}.content", content, "give a text")
    return Message(role, content)


def _refuse(field: str, value: object, cure: str) -> Never:
    raise FieldError(field, "is empty" if value == [] else f"is a JSON {kind(value)}", cure)
