"""Bytes that are no message of the contract: which field is at fault.

gRPC ends such a call with INTERNAL and a line that names no field. Here the bytes become a `Malformed`, which
the door turns into INVALID_ARGUMENT with the field and the cure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from shared.errors import FieldError

_LENGTH_DELIMITED = 2


@dataclass(frozen=True, slots=True)
class Malformed:
    """What came in place of a message, as the error that says so."""

    error: FieldError


def lenient(kind: type[Message]) -> Callable[[bytes], Any]:
    """A deserializer of `kind` that gives a `Malformed` where the bytes are no such message."""

    def read(data: bytes) -> Message | Malformed:
        try:
            return kind.FromString(data)
        except DecodeError:
            return Malformed(_diagnosed(kind.DESCRIPTOR, data))

    return read


def _diagnosed(descriptor: Any, data: bytes) -> FieldError:
    field = _not_utf8(descriptor, data)
    if field is None:
        problem = f"is no {descriptor.full_name}"
        return FieldError("request", problem, "send a message of the published contract")
    return FieldError(field, "holds bytes that are no UTF-8", "send text encoded as UTF-8")


def _not_utf8(descriptor: Any, data: bytes) -> str | None:
    """Dotted path of the first string field that holds no UTF-8; None where that is not what is wrong."""
    try:
        # To a message without fields all fields are unknown, and so they are kept as they came.
        unknown: Any = UnknownFieldSet(Empty.FromString(data))
    except DecodeError:
        return None
    for part in unknown:
        field = descriptor.fields_by_number.get(part.field_number)
        if field is not None and part.wire_type == _LENGTH_DELIMITED:
            found = _in_field(field, part.data)
            if found is not None:
                return found
    return None


def _in_field(field: FieldDescriptor, data: bytes) -> str | None:
    if field.type == FieldDescriptor.TYPE_STRING and not _is_utf8(data):
        return field.name
    if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
        inner = _not_utf8(field.message_type, data)
        return None if inner is None else f"{field.name}.{inner}"
    return None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
