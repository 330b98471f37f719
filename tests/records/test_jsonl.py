"""JSON Lines are read strictly; a bad line is data with the field and the cure."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.jsonl import BadLine, RawLine, decode_object, dump_line, parse_line, raw_lines, read_objects

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


def bad(line: bytes) -> BadLine:
    [found] = read_objects(io.BytesIO(line))
    assert isinstance(found, BadLine)
    return found


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), st.integers()),
        max_size=5,
    )
)
def test_objects_come_back_in_order_with_their_line(items: list[dict[str, int]]) -> None:
    stream = io.BytesIO(b"".join(dump_line(item) for item in items))
    assert list(read_objects(stream)) == list(enumerate(items, start=1))


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\r", "\u2029"])
def test_only_the_line_feed_ends_a_line(separator: str) -> None:
    line = json.dumps({"a": f"x{separator}y"}, ensure_ascii=False).encode()
    if separator == "\r":
        line = b'{"a": 1}\r'
    assert len(list(raw_lines(io.BytesIO(line + b"\n")))) == 1


def test_blank_lines_count_but_are_skipped() -> None:
    stream = io.BytesIO(b'\n{"a":1}\r\n  \n{"a":2}')
    assert list(read_objects(stream)) == [(2, {"a": 1}), (4, {"a": 2})]


def test_offsets_tell_where_the_next_line_begins() -> None:
    data = b'{"a":1}\n\n{"b":2}\n{"c":3}'
    assert [data[: raw.end] for raw in raw_lines(io.BytesIO(data))] == [data[:8], data[:17], data]


def test_a_line_beyond_the_limit_is_skipped_in_pieces() -> None:
    data = b"x" * 200_000 + b"\n" + b'{"a":1}\n'
    found = list(raw_lines(io.BytesIO(data), longest=1000))
    assert found == [RawLine(1, 200_001, None), RawLine(2, 200_009, b'{"a":1}')]


def test_a_line_at_the_limit_is_read() -> None:
    [raw] = raw_lines(io.BytesIO(b"x" * 10 + b"\n"), longest=10)
    assert raw.data == b"x" * 10


def test_a_too_long_line_is_a_bad_line() -> None:
    found = parse_line(RawLine(3, 9, None), lambda item, number: item)
    assert isinstance(found, BadLine)
    assert (found.line, found.field) == (3, "line")


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert list(read_objects(io.BytesIO(b'\xef\xbb\xbf{"a":1}'))) == [(1, {"a": 1})]


REFUSED = {
    "no json": (b"{", "line", "isn't valid JSON"),
    "no object": (b"[1]", "line", "is a JSON array"),
    "null": (b"null", "line", "is a JSON null"),
    "nan": (b'{"a":NaN}', "line", "NaN"),
    "infinity": (b'{"a":-Infinity}', "line", "-Infinity"),
    "doubled key": (b'{"a":1,"b":{"c":1,"c":2}}', "c", "stands twice"),
    "invalid utf-8": (b'{"gold":"1","text":"\xff"}', "text", "UTF-8"),
    "raw surrogate": (b'{"text":"\xed\xa0\x80"}', "text", "UTF-8"),
    "escaped surrogate": (b'{"steps":["a",{"b":"x\\ud800y"}]}', "steps[1].b", "U+D800 at character 1"),
    "reversed pair": (b'{"text":"\\udc00\\ud800"}', "text", "U+DC00"),
    "escaped nul": (b'{"text":"a\\u0000"}', "text", "NUL"),
    "raw nul": (b'{"text":"a\x00"}', "line", "isn't valid JSON"),
    "surrogate in a key": (b'{"a\\ud800":1}', "a key of the line", "U+D800"),
    "doubled surrogate key": (b'{"\\ud800":1,"\\ud800":2}', "\\ud800", "stands twice"),
    "deep nesting": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line", "nested too deeply"),
    "endless number": (b'{"a":' + b"1" * 10_000 + b"}", "line", "number"),
    "control character": (b'{"a":"\x01"}', "line", "isn't valid JSON"),
    "two objects": (b"{}{}", "line", "isn't valid JSON"),
}


@pytest.mark.parametrize(("line", "field", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_line_names_the_field_and_the_problem(line: bytes, field: str, problem: str) -> None:
    found = bad(line)
    assert found.field == field
    assert problem in found.problem


@pytest.mark.parametrize("line", [case[0] for case in REFUSED.values()], ids=REFUSED.keys())
def test_a_reason_can_be_written_as_utf8(line: bytes) -> None:
    assert bad(line).reason.encode("utf-8")


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert decode_object(b'{"a":"\\ud83e\\udd86"}') == {"a": "🦆"}


def test_a_bad_line_does_not_stop_the_next() -> None:
    assert list(read_objects(io.BytesIO(b'{"a":\n{"a":2}\n')))[1] == (2, {"a": 2})


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_named_field(data: bytes) -> None:
    found = parse_line(RawLine(1, len(data), data), lambda item, number: item)
    assert isinstance(found, dict) or found.field


@settings(deadline=None)
@given(JSON)
def test_dumping_is_one_line_that_reads_back(value: object) -> None:
    line = dump_line(value)
    assert line.count(b"\n") == 1
    assert json.loads(line) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_no_nan_is_ever_written(value: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        dump_line(value)
