"""Equations in the student's own signs and spacing."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from services.oracle.rewriters.values import format_value
from shared.quantities.equations import Equation, find_equations
from shared.quantities.expressions import Expression
from shared.text.notation import Notation

Leaf = Callable[[Expression], str]

CURRENCIES = ("$", "€", "£")
_WITHOUT_MONEY = re.compile(r"[$€£]")
_RANK = {"+": 1, "-": 1, "neg": 2, "*": 3, "/": 3, "C": 3, "^": 4, "!": 5, "sqrt": 6, "": 7}


def typeset(expression: Expression, notation: Notation, leaf: Leaf) -> str:
    """`expression` in the signs of `notation`; `leaf` writes its numbers."""
    if not expression.op:
        return leaf(expression)
    parts = [_bracketed(child, expression, k, notation, leaf) for k, child in enumerate(expression.children)]
    if expression.op == "neg":
        return "-" + parts[0]
    if expression.op == "!":
        return parts[0] + "!"
    if expression.op in ("sqrt", "C"):
        return f"{expression.op}({', '.join(parts)})"
    sign = {"*": notation.times, "/": notation.divide}.get(expression.op, expression.op)
    spaced = notation.spaced or sign.startswith("\\")
    return (f" {sign} " if spaced else sign).join(parts)


def _bracketed(child: Expression, parent: Expression, place: int, notation: Notation, leaf: Leaf) -> str:
    shown = typeset(child, notation, leaf)
    weaker = _RANK[child.op] < _RANK[parent.op]
    ambiguous = place > 0 and parent.op in "-/" and _RANK[child.op] == _RANK[parent.op]
    return f"({shown})" if weaker or ambiguous else shown


def leaf_of(source: str, money: bool = False) -> Leaf:
    """Writes a number as it stands in `source` (with `money` its currency sign too), words in digits."""

    def write(leaf: Expression) -> str:
        if leaf.form == "word" or leaf.value is None:
            return format_value(leaf.value or Fraction(0))
        before = source[max(0, leaf.span.start - 1) : leaf.span.start]
        return (before if money and before in CURRENCIES else "") + leaf.span.of(source).strip("()")

    return write


def plain_signs(expression: Expression, leaf: Leaf) -> str:
    """The expression as a calculator reads it, for calculator notes."""
    return typeset(expression, Notation(times="*", divide="/", spaced=False), leaf)


def equation(
    expression: Expression,
    value: Fraction,
    notation: Notation,
    leaf: Leaf,
    currency: str = "",
    like: str = "",
) -> str:
    """``16 - 3 = 13`` with the student's spacing, currency sign and calculator note."""
    left = typeset(expression, notation, leaf)
    result = format_value(value, like, notation.grouped)
    note = f"<<{plain_signs(expression, leaf)}={format_value(value)}>>" if notation.notes else ""
    note = _WITHOUT_MONEY.sub("", note)
    return f"{left}{' = ' if notation.equals_spaced else '='}{currency}{note}{result}"


def restated(line: str, notation: Notation) -> str:
    """`line` with every equation set anew in `notation`; the words stay."""
    out, position = [], 0
    for found in find_equations(line):
        start, shown = _restated_equation(line, found, notation)
        if start >= position:
            out += [line[position:start], shown]
            position = found.span.end
    return "".join([*out, line[position:]])


def _restated_equation(line: str, found: Equation, notation: Notation) -> tuple[int, str]:
    """Where the equation with its currency sign begins, and how it is set in `notation`."""
    start = found.span.start
    result = found.result
    if result.value is None or found.left.is_leaf:
        return start, found.span.of(line)
    currency = currency_before(line, result.span.start, found)
    if start and line[start - 1] in "$€£":
        start -= 1
    leaf = leaf_of(line, notation.currency_inside)
    shown = equation(found.derivation, result.value, notation, leaf, currency, result.span.of(line))
    return start, shown


def currency_before(text: str, place: int, found: Equation) -> str:
    """The currency sign in front of the result at `place`, before its calculator note or behind it."""
    before = text[max(0, place - 1) : place]
    if found.note is not None and found.note.end == place:
        before = text[max(0, found.note.start - 1) : found.note.start]
    return before if before in CURRENCIES else ""
