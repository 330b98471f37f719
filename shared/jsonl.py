"""Reads JSON Lines strictly, line by line, in bounded memory.

A line ends at the byte ``\\n`` and nowhere else, is valid UTF-8, holds one JSON object without NaN, without
doubled keys, and no string in it holds a NUL or a lone surrogate. A line that breaks a rule is data
(`BadLine`), not the end of the run.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Never, TypeVar

from shared.errors import FieldError

LONGEST_LINE = 16 * 2**20
# Characters that no line of a caller may hold.
FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
_LONGEST_NAME = 200
_BOM = b"\xef\xbb\xbf"

Parsed = TypeVar("Parsed")
JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line without its line break.

    Attributes:
        number: 1-based, blank lines counted.
        end: offset in bytes of the first byte after the line and its break.
        data: the bytes; None where the line is longer than the limit.
    """

    number: int
    end: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that can't be used: its 1-based number, and what is wrong in which field."""

    line: int
    field: str
    problem: str
    cure: str

    @property
    def reason(self) -> str:
        """All of it in one sentence."""
        return f"{self.field}: {self.problem}; {self.cure}"


def raw_lines(
    stream: BinaryIO, *, number: int = 0, offset: int = 0, longest: int = LONGEST_LINE
) -> Iterator[RawLine]:
    """Lines of `stream` that aren't blank; `number` and `offset` tell where the stream stands."""
    while chunk := stream.readline(longest + 1):
        number += 1
        offset += len(chunk)
        data: bytes | None = chunk[:-1] if chunk.endswith(b"\n") else chunk
        if data is not None and len(data) > longest:
            offset += _skip_line(stream)
            data = None
        if number == 1 and data is not None:
            data = data.removeprefix(_BOM)
        if data is None or data.strip(b" \t\r"):
            yield RawLine(number, offset, data)


def _skip_line(stream: BinaryIO) -> int:
    skipped = 0
    while chunk := stream.readline(2**16):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped


def decode_object(data: bytes) -> JsonObject:
    """The JSON object of one line; FieldError names the field that can't be used."""
    value = _decode(_text(data))
    if not isinstance(value, dict):
        raise FieldError("line", f"is a JSON {kind(value)}", "write one JSON object a line")
    if b"\\u" in data or b"\x00" in data:
        check_characters(value)
    return value


def parse_line(raw: RawLine, parse: Callable[[JsonObject, int], Parsed]) -> Parsed | BadLine:
    """What `parse` makes of the line's object and number, or why it can't be used."""
    try:
        if raw.data is None:
            raise FieldError("line", "is longer than the limit", f"keep a line under {LONGEST_LINE} bytes")
        return parse(decode_object(raw.data), raw.number)
    except FieldError as error:
        return BadLine(raw.number, _printable(error.field), _printable(error.problem), error.cure)


def read_objects(stream: BinaryIO) -> Iterator[tuple[int, JsonObject] | BadLine]:
    """(line number, object) or `BadLine` for every line that isn't blank."""
    for raw in raw_lines(stream):
        yield parse_line(raw, lambda item, number: (number, item))


def dump_line(value: object) -> bytes:
    """Compact JSON in UTF-8 with its line break; keys keep their order, NaN raises ValueError."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def check_characters(value: object) -> None:
    """FieldError where a string in `value`, or a key, holds a NUL or a lone surrogate."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str):
            _check_string(path, item)
        elif isinstance(item, dict):
            for key, inner in item.items():
                _check_string(f"a key of {path or 'the line'}", key)
                waiting.append((f"{path}.{key}" if path else key, inner))
        elif isinstance(item, list):
            waiting += [(f"{path}[{index}]", inner) for index, inner in enumerate(item)]


def _check_string(path: str, text: str) -> None:
    match = FORBIDDEN.search(text)
    if match is None:
        return
    what = "a NUL" if match[0] == "\x00" else f"the lone surrogate U+{ord(match[0]):04X}"
    raise FieldError(
        path, f"holds {what} at character {match.start()}", "remove it or write the whole character"
    )


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        field = _field_at(data, error.start)
        raise FieldError(
            field, f"isn't valid UTF-8 at byte {error.start}", "encode the file as UTF-8"
        ) from None


def _field_at(data: bytes, position: int) -> str:
    """The last key written before `position`, a good guess at the field that holds the byte."""
    keys = re.findall(rb'"([A-Za-z0-9_.-]{1,64})"\s{0,8}:', data[max(0, position - 2**16) : position])
    return keys[-1].decode("ascii") if keys else "line"


def _decode(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        problem = f"isn't valid JSON: {error.msg} at character {error.pos}"
        raise FieldError("line", problem, "write one JSON object a line") from None
    except RecursionError:
        raise FieldError("line", "is nested too deeply", "flatten it") from None
    except ValueError as error:
        raise FieldError("line", f"holds a number that can't be read: {error}", "shorten it") from None


def _refuse_constant(name: str) -> Never:
    raise FieldError("line", f"holds {name}, which is no JSON", "write null instead")


def _unique_keys(pairs: list[tuple[str, Any]]) -> JsonObject:
    item = dict(pairs)
    if len(item) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise FieldError(twice, "stands twice in one object", "keep one of the two")
    return item


def _printable(text: str) -> str:
    """Short, and safe to write as UTF-8, since names of fields come from the line itself."""
    return text[:_LONGEST_NAME].encode("utf-8", "backslashreplace").decode("utf-8")


def kind(value: object) -> str:
    """JSON name of the type of `value`."""
    if value is None:
        return "null"
    names = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return names[type(value)]
