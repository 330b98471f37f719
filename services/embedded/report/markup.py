"""HTML and SVG that are escaped by construction: a plain string is text, only `Html` is markup."""

from __future__ import annotations

import html
import json


class Html(str):
    """A string that is markup already."""

    __slots__ = ()


Attribute = str | int | float | bool | None


def tag(name: str, *children: str, **attributes: Attribute) -> Html:
    """One element; children that are no `Html` are escaped.

    Attribute names lose a trailing underscore (``class_``) and other underscores become hyphens; True
    stands for a bare attribute, None and False leave it out.
    """
    written = "".join(attribute(key, value) for key, value in attributes.items())
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def attribute(key: str, value: Attribute) -> str:
    """`` key="value"`` with the value escaped, or nothing."""
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def joined(*children: str) -> Html:
    """Children one after the other, those that are no `Html` escaped."""
    return Html("".join(child if isinstance(child, Html) else html.escape(child) for child in children))


def json_for_script(value: object) -> Html:
    """JSON that can stand inside a script element: nothing in it can close the element or open another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(text)
